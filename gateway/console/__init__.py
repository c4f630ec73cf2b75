"""The finance console, at /console: pages for people who look after invoices. See the README beside this file."""
