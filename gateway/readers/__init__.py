"""What is shown of our rows: for each noun its fields, and the statements that find it. For programs and for people."""
