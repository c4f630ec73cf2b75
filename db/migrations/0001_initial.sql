-- The whole schema of Tollbridge. What a law of the design can hold here, it holds here:
-- laws 1, 2, 8 and 10 are constraints and triggers, so that a bug in the code can't break them.
-- Business times have no default: the injected clock gives them. Only machine times (claims) use the database's clock.

create table tollbridge.account (
    id text primary key,
    name text not null unique check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    livemode boolean not null,
    stripe_account text not null default '',
    api_key bytea not null,
    api_key_hash text unique,                      -- one key makes one account: two would both charge its invoices
    api_base text not null default '',
    portal_url text not null default '',
    policies jsonb not null default '{}',
    enabled boolean not null default true,
    created_at timestamptz not null,
    setting_up_until timestamptz,                  -- machine time: somebody sets its webhook up at Stripe just now
    constraint test_mode_for_ever unique (id, livemode)
);
create unique index account_stripe_account on tollbridge.account (stripe_account, livemode) where stripe_account <> '';

-- Test or live by its key, for ever.
create function tollbridge.livemode_is_for_ever() returns trigger language plpgsql as $$
begin
    if new.livemode <> old.livemode then
        raise exception 'account % was made with a % key and stays so', old.name, case when old.livemode then 'live' else 'test' end
            using errcode = 'check_violation', constraint = 'livemode_is_for_ever';
    end if;
    return new;
end $$;
create trigger livemode_is_for_ever before update on tollbridge.account
    for each row execute function tollbridge.livemode_is_for_ever();

-- What is left of the calls that Stripe allows an account, for one operation ('' for all together). Machine time. Losing
-- it in a crash of the database costs nothing but a second's burst, so it is not logged.
create unlogged table tollbridge.stripe_budget (
    account text not null references tollbridge.account on delete restrict,
    operation text not null,
    calls_left numeric not null,
    counted_at timestamptz not null,
    primary key (account, operation)
);

-- Take up to `wanted` calls of an operation, leaving the share that a lane must leave to those before it. Where there is
-- none: how many seconds until there will be one. The row of the whole account is locked first, always. `in_all` null:
-- Stripe counts this operation beside all others.
create function tollbridge.take_calls(of_account text, of_operation text, wanted integer, per_operation numeric,
        in_all numeric, burst_s numeric, leave numeric, out granted integer, out wait_s double precision) language plpgsql as $$
declare
    part record;
    had numeric;
begin
    granted := wanted;
    wait_s := 0;
    for part in select * from (values (1, '', in_all), (2, of_operation, per_operation)) as v (n, name, rate)
            where rate is not null order by n loop
        insert into tollbridge.stripe_budget as b (account, operation, calls_left, counted_at)
        values (of_account, part.name, greatest(part.rate * burst_s, 1), clock_timestamp())
        on conflict (account, operation) do update set
            calls_left = least(greatest(part.rate * burst_s, 1), b.calls_left
                + part.rate * greatest(extract(epoch from clock_timestamp() - b.counted_at), 0)),
            counted_at = greatest(b.counted_at, clock_timestamp())
        returning calls_left into had;
        -- At least one call can always be saved up for, however small the rate.
        had := had - leave * greatest(part.rate * burst_s - 1, 0);
        granted := least(granted, greatest(floor(had), 0));
        if had < 1 then
            wait_s := greatest(wait_s, (1 - had) / part.rate);
        end if;
    end loop;
    if granted > 0 then
        wait_s := 0;
        update tollbridge.stripe_budget set calls_left = calls_left - granted
        where account = of_account and (operation = of_operation or operation = '' and in_all is not null);
    end if;
end $$;

create table tollbridge.webhook_secret (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    secret bytea not null,
    created_at timestamptz not null,
    unique (account, id)
);
create index webhook_secret_account on tollbridge.webhook_secret (account);

-- The webhook endpoints at Stripe (we_…) and event destinations (ed_…) that send us an account's events.
create table tollbridge.stripe_endpoint (
    account text not null references tollbridge.account on delete restrict,
    id text not null,                              -- Stripe's
    thin boolean not null,
    api_version text not null default '',          -- as Stripe shows it; empty: the account's own
    secret text,
    adopted boolean not null default false,        -- made by hand: which secret is its own is not known
    created_at timestamptz not null,
    retire_at timestamptz,                         -- another one has taken its place: removed at Stripe then
    primary key (account, id),
    foreign key (account, secret) references tollbridge.webhook_secret (account, id) on delete restrict
);
create unique index stripe_endpoint_one_of_a_kind on tollbridge.stripe_endpoint (account, thin) where retire_at is null;
create index stripe_endpoint_retiring on tollbridge.stripe_endpoint (retire_at) where retire_at is not null;
create index stripe_endpoint_secret on tollbridge.stripe_endpoint (account, secret);

-- What each of the doctor's rehearsals has made at Stripe, for as long as any of it may be there: nothing else is ever
-- taken away. Machine time.
create table tollbridge.rehearsal (
    id text primary key,                           -- stands in the metadata of all that it makes
    account text not null references tollbridge.account on delete restrict,
    customer text,
    product text,
    price text,
    begun_at timestamptz not null,
    ended_at timestamptz                           -- it is over, and could not take all of it away
);
create index rehearsal_account on tollbridge.rehearsal (account);

create table tollbridge.connection (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    adapter text not null,
    credentials bytea not null,                    -- encrypted
    credential_fields text[] not null default '{}', -- the names of those that are set
    options jsonb not null default '{}',
    currencies text[] not null default '{}',
    priority integer not null default 0,
    record_on text not null default 'confirmed' check (record_on in ('confirmed', 'settled')),
    routing jsonb not null default '{}',           -- for whom it is offered
    display jsonb not null default '{}',           -- and what a payer is shown of it
    declines jsonb not null default '{}',          -- the operator's classes of decline codes, over the adapter's table
    enabled boolean not null default true,
    created_at timestamptz not null,
    unique (account, name),
    unique (account, id)
);

create table tollbridge.api_key (
    id text primary key,
    account text references tollbridge.account on delete restrict,     -- null: the platform key, which makes accounts
    name text not null,
    hash bytea not null unique,
    hint text not null,
    scopes text[] not null check (scopes <@ array['checkout', 'server', 'finance', 'admin', 'platform']),
    made_by text not null,                         -- as in the audit log: who has seen its text
    created_at timestamptz not null,
    revoked_at timestamptz,
    check ((account is null) = (scopes = array['platform']))
);

-- Objects that `advance` works on carry the same columns: `poked` counts the pokes, `seen` is the counter that
-- the last finished advance had read, `due_at` is business time, the claim is machine time, `failures` counts raises;
-- a turn that was turned away unread (429, no connection) is no failure, and `turned_away_at` is when the first one was.
create table tollbridge.subscription (
    account text not null references tollbridge.account on delete restrict,
    id text not null,
    customer text not null default '',
    status text not null default '',
    collection_method text not null default '',
    pause_behavior text not null default '',
    paused_at timestamptz,                         -- when a pause of its collection was first seen; null while there is none
    days_until_due integer,                        -- of the invoices that are sent
    cancel_at_period_end boolean not null default false,
    schedule text not null default '',             -- Stripe's, which sets anew in each phase how it is collected
    cancel_at timestamptz,                         -- when it will end, as far as that is settled
    ends_by text,                                  -- the cancellation of ours by which it is set to end; null: another's
    trial_end timestamptz,
    ended_at timestamptz,
    left_at timestamptz,                           -- when it was seen to be Stripe's to collect, which was ours before
    payment_method text,                           -- ours, that its invoices are charged to first; null: the customer's
    products text[] not null default '{}',         -- what its items are of
    prices text[] not null default '{}',
    began_without_invoice boolean not null default false,  -- Stripe has shown it while it had none yet
    -- Access: a projection of the rest, written in one place (gateway/access/gate.py) and recomputable.
    access text not null default 'pending_first_payment'
        check (access in ('granted', 'pending_first_payment', 'suspended', 'ended')),
    access_reason text not null default 'no_first_invoice',
    access_invoice text not null default '',       -- the one that decides
    access_since timestamptz,                      -- when it became so; null: it was never looked at
    access_closes_at timestamptz,                  -- when it ends by the clock alone
    access_closing text not null default '',       -- why it is closed then; empty: that takes another look
    access_seen_at timestamptz,                    -- when this was worked out
    collection text check (collection in ('processor', 'hosted')),  -- how what is sent is collected; null: as its customer's
    access_changes integer not null default 0,     -- how often its merchant was told that access changed: odd is open
    digest text not null default '',
    stale boolean not null default true,
    read_at timestamptz,
    listed_at timestamptz,                         -- when the last walk that found it in Stripe's list began
    created_at timestamptz not null,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,                    -- since when Stripe has been turning its turns away; null between
    primary key (account, id),
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null))
);
create index subscription_wanting on tollbridge.subscription (account, id) where seen < poked;
create index subscription_due on tollbridge.subscription (due_at) where due_at is not null;
create index subscription_claimed on tollbridge.subscription (claim_until) where claimed_by is not null;
create index subscription_customer on tollbridge.subscription (account, customer);
create index subscription_listing on tollbridge.subscription (account, created_at desc, id desc);

-- That somebody opens access to a subscription by hand, whatever its money says.
create table tollbridge.access_grant (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    subscription text not null,
    reason text not null check (reason <> ''),
    granted_by text not null,
    until_at timestamptz not null,
    after_end boolean not null default false,      -- it stands also once the subscription has ended
    created_at timestamptz not null,
    revoked_at timestamptz,
    revoked_by text,
    unique (account, id),
    foreign key (account, subscription) references tollbridge.subscription (account, id) on delete restrict,
    check (until_at > created_at),
    check ((revoked_at is null) = (revoked_by is null))
);
create index access_grant_listing on tollbridge.access_grant (account, subscription, created_at desc, id);

-- That somebody wants a subscription to end, now or at its period's end, or to live on after all: Stripe is told of it in
-- the subscription's turn.
create table tollbridge.cancellation (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    subscription text not null,
    ends text not null check (ends in ('now', 'period_end', 'never')),
    invoice_now boolean not null default false,    -- what was used and not billed yet comes on a last invoice
    prorate boolean not null default false,        -- the rest of a period that was paid for is credited
    comment text not null default '',
    origin text not null check (origin in ('asked', 'agreement')),
    state text not null check (state in ('wanted', 'done', 'refused', 'withdrawn')),
    error text not null default '',
    created_at timestamptz not null,
    sent_at timestamptz,                           -- when Stripe was first told, if it heard it
    flush_from timestamptz,                        -- when it was first seen to wait for usage, it or one before it
    resolved_at timestamptz,
    foreign key (account, subscription) references tollbridge.subscription (account, id) on delete restrict,
    constraint only_an_end_now_bills check (ends = 'now' or not (invoice_now or prorate)),
    check ((state = 'wanted') = (resolved_at is null))
);
create unique index cancellation_one_wanted on tollbridge.cancellation (account, subscription) where state = 'wanted';
create index cancellation_subscription on tollbridge.cancellation (account, subscription, created_at);

-- That somebody wants a subscription to be collected by Stripe or by us from now on, or by us with another method: done in
-- the subscription's turn, and for the invoices that exist in theirs.
create table tollbridge.switch (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    subscription text not null,
    collector text not null check (collector in ('gateway', 'stripe', 'hosted')),
    payment_method text,                           -- ours, that is charged for it first from then on
    stripe_payment_method text not null default '', -- Stripe's; empty: the customer's default there
    open_invoices text not null default 'finish' check (open_invoices in ('finish', 'hand_over')),
    days_until_due integer check (days_until_due >= 0),
    retire boolean not null default false,         -- the methods that it used before are deleted once nothing needs them
    by_payer boolean not null default false,       -- its payer has begun it: nobody of the merchant's waits for what comes of it
    state text not null check (state in ('wanted', 'done', 'refused', 'withdrawn')),
    halfway_at timestamptz,                        -- its first step is done: the method is looked at; Stripe sends invoices
    error text not null default '',
    created_at timestamptz not null,
    resolved_at timestamptz,
    unique (account, id),
    foreign key (account, subscription) references tollbridge.subscription (account, id) on delete restrict,
    check ((state = 'wanted') = (resolved_at is null)),
    constraint what_is_sent_is_due_some_day check ((collector <> 'stripe') = (days_until_due is not null)),
    check (collector = 'gateway' or (payment_method is null and not retire)),
    check (collector = 'stripe' or (stripe_payment_method = '' and open_invoices = 'finish'))
);
create unique index switch_one_wanted on tollbridge.switch (account, subscription) where state = 'wanted';
create index switch_subscription on tollbridge.switch (account, subscription, created_at);

create table tollbridge.customer (
    account text not null references tollbridge.account on delete restrict,
    id text not null,
    opted_out boolean not null default false,
    collection text check (collection in ('processor', 'hosted')),  -- how what is sent is collected; null: as the account says
    deleted_at timestamptz,                        -- in Stripe, as far as we have heard
    erase_asked_at timestamptz,                    -- its personal data are to be erased, once its methods are deleted
    erased_at timestamptz,
    may_be_deleted boolean not null default false, -- a walk found a subscription gone of which no event had told
    created_at timestamptz not null,
    primary key (account, id)
);
create index customer_erasing on tollbridge.customer (erase_asked_at)
    where erase_asked_at is not null and erased_at is null;

-- Under which words a customer is found: those of every name that stands on an invoice of its. Bytes' order, so that the
-- beginning of a word is a range.
create table tollbridge.customer_word (
    account text not null references tollbridge.account on delete restrict,
    customer text not null,
    word text collate "C" not null,
    primary key (account, customer, word)
);
create index customer_word_sought on tollbridge.customer_word (account, word, customer);

create table tollbridge.payment_method (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    customer text not null,
    connection text not null,
    reference bytea,                       -- encrypted token and processor customer; erased when revoked
    token_hash text not null,                      -- of the token within its connection,
    vault_hash text not null,                      -- and over all connections, whose accounts there may be one and the same
    card jsonb not null default '{}',
    -- The card or bank account itself, alike under all of its tokens; where the processor gives none, the method.
    fingerprint text not null generated always as (coalesce(nullif(card ->> 'fingerprint', ''), id)) stored,
    status text not null check (status in ('active', 'stopped', 'revoked')),
    position integer not null default 0,
    stopped_reason text not null default '',
    standing_at timestamptz,                       -- when its processor told last how it stands, by its own clock
    created_at timestamptz not null,
    revoked_at timestamptz,
    ended_by_payer boolean not null default false, -- it was revoked, and we had not asked for that
    end_answered boolean not null default true,    -- what that means for the subscriptions is settled and told
    revoke_asked_at timestamptz,                   -- it is to be deleted at the processor; null once it is wanted again
    deletions integer not null default 0 check (deletions >= 0),   -- how often that was begun
    told_stripe boolean not null default true,     -- the Stripe customer's metadata are as they must be
    retiring boolean not null default false,       -- to be deleted as soon as nothing else needs it
    alone boolean not null default false,          -- for the subscriptions that it was given for, and for no other
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,                    -- since when Stripe has been turning its turns away; null between
    unique (account, id),
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, customer) references tollbridge.customer (account, id) on delete restrict,
    check ((status = 'revoked') = (revoked_at is not null)),
    check (status = 'revoked' or reference is not null),
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null)),
    constraint what_is_to_be_revoked_is_not_charged check (revoke_asked_at is null or status <> 'active')
);
create unique index payment_method_token on tollbridge.payment_method (connection, token_hash) where status <> 'revoked';
create index payment_method_vault on tollbridge.payment_method (vault_hash);
create index payment_method_customer on tollbridge.payment_method (account, customer, position);
create index payment_method_fingerprint on tollbridge.payment_method (account, fingerprint);
create index payment_method_wanting on tollbridge.payment_method (account, id) where seen < poked;
create index payment_method_due on tollbridge.payment_method (due_at) where due_at is not null;
create index payment_method_claimed on tollbridge.payment_method (claim_until) where claimed_by is not null;
alter table tollbridge.subscription add foreign key (account, payment_method)
    references tollbridge.payment_method (account, id) on delete restrict;
create index subscription_bound on tollbridge.subscription (account, payment_method) where payment_method is not null;
alter table tollbridge.switch add foreign key (account, payment_method)
    references tollbridge.payment_method (account, id) on delete restrict;

create table tollbridge.invoice (
    account text not null references tollbridge.account on delete restrict,
    id text not null,
    state text not null default 'due' check (state in ('draft', 'due', 'charging', 'pending', 'unknown', 'captured', 'paid',
        'retrying', 'needs_payment_method', 'exhausted', 'uncollectible', 'closed', 'not_ours')),
    reason text not null default '',                -- in words, for people
    waits_for text check (waits_for in ('pause', 'processor', 'payer')),    -- the same, where code acts on it
    -- the mirror: the last answer of Stripe's, whole, and the columns that are searched
    snapshot bytea,
    read_at timestamptz,
    listed_at timestamptz,                         -- when the last walk that found it in Stripe's list began
    stale boolean not null default true,
    status text not null default '' check (status in ('', 'draft', 'open', 'paid', 'uncollectible', 'void', 'deleted')),
    customer text not null default '',
    subscription text not null default '',
    number text not null default '',
    billing_reason text not null default '',
    collection_method text not null default '',
    mail_hash bytea,                               -- of the mail address that it shows (gateway/billing/mails.py)
    digest text not null default '',
    currency text not null default '',
    amount_due bigint not null default 0,
    amount_remaining bigint not null default 0,
    total bigint not null default 0,
    stripe_took bigint not null default 0,         -- by payments of its own
    stripe_created_at timestamptz,
    due_date timestamptz,
    next_attempt_at timestamptz,
    kept_in_pause boolean not null default false,  -- a draft that a pause of its subscription held up
    asked_at timestamptz,                          -- somebody asked to collect it now; null once that was heeded
    void_asked_at timestamptz,                     -- somebody wants it void; null once it is, or can't be
    paid_at timestamptz,
    given_up_at timestamptz,                       -- its end had come, and the account's policy for that was begun
    giving_up text not null default '' check (giving_up in ('', 'mark_uncollectible', 'void', 'cancel_subscription')),
    looked_for_at timestamptz,                     -- when tries were looked for that a restored database has forgotten
    notes_read_at timestamptz,                     -- when its credit notes were listed last
    balance_back bigint,                           -- of a void one: what came back of the balance it had used
    names_rest text not null default '',           -- the invoice that bills its rest, as its metadata at Stripe say
    rest_looked_for_at timestamptz,                -- when what metadata say of a rest was looked for at Stripe
    -- Who collects it: since its subscription was switched, or `hosted`, since that is how its customer's are collected.
    -- Null: whoever its collection method says, with us for what is sent.
    collector text check (collector in ('gateway', 'stripe', 'hosted')),
    collect_by timestamptz,                        -- its due date where it was Stripe's, which set none
    taken_at timestamptz,                          -- when Stripe confirmed that it does not collect it any more
    created_at timestamptz not null,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,                    -- since when Stripe has been turning its turns away; null between
    primary key (account, id),
    constraint what_we_collect_is_due_some_day check (collector is distinct from 'gateway' or collect_by is not null),
    constraint what_was_taken_was_switched check (taken_at is null or collector is not null),
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null))
);
create index invoice_wanting on tollbridge.invoice (account, id) where seen < poked;
create index invoice_due on tollbridge.invoice (due_at) where due_at is not null;
create index invoice_claimed on tollbridge.invoice (claim_until) where claimed_by is not null;
create index invoice_customer on tollbridge.invoice (account, customer);
create index invoice_subscription on tollbridge.invoice (account, subscription);
-- What years of settled ones must not slow down: whom a connection's change or a processor's return concerns, and what
-- Stripe's lists do not show any more.
create index invoice_living on tollbridge.invoice (account, customer) where status in ('draft', 'open');
create index invoice_listing on tollbridge.invoice (account, stripe_created_at desc, id);
-- What was collected, but not by us.
create index invoice_paid_at_stripe on tollbridge.invoice (account, paid_at)
    include (id, currency, amount_due, stripe_took, collector, state)
    where status = 'paid' and (collector in ('hosted', 'stripe') or state = 'not_ours' or stripe_took > 0);
-- What people look for. A list begins with the newest, of all or in one state.
create index invoice_newest on tollbridge.invoice (account, created_at, id);
create index invoice_newest_in_state on tollbridge.invoice (account, state, created_at, id);
create index invoice_due_day on tollbridge.invoice (
    account, coalesce(due_date, case when collector = 'gateway' then collect_by end)
);
create index invoice_number on tollbridge.invoice (account, number) where number <> '';
create index invoice_mail on tollbridge.invoice (account, mail_hash) where mail_hash is not null;
create index invoice_total on tollbridge.invoice (account, total);
create index invoice_amount_due on tollbridge.invoice (account, amount_due) where amount_due <> total;

-- An open invoice of ours that Stripe is to pay, since its subscription was switched to Stripe.
create table tollbridge.hand_over (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    stripe_payment_method text not null,
    idempotency_key text not null unique,
    tries integer not null default 0 check (tries >= 0),
    state text not null check (state in ('wanted', 'sending', 'done', 'declined', 'withdrawn')),
    message text not null default '',              -- why Stripe could not take it
    created_at timestamptz not null,
    sent_at timestamptz,
    resolved_at timestamptz,
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    check ((state in ('wanted', 'sending')) = (resolved_at is null))
);
create unique index hand_over_one_wanted on tollbridge.hand_over (account, invoice) where resolved_at is null;
create index hand_over_invoice on tollbridge.hand_over (account, invoice, created_at);

create table tollbridge.attempt (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    number integer not null check (number > 0),
    connection text not null,
    payment_method text not null,
    fingerprint text not null default '',          -- of the card that was tried, as it was then
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    state text not null check (state in ('sending', 'succeeded', 'declined', 'rejected', 'pending', 'requires_action',
        'unknown', 'not_sent', 'canceled', 'reversed')),
    reason text not null,                          -- why it was made: first, retry, method_stored, operator
    idempotency_key uuid not null unique,
    reference text not null,
    request bytea,                                 -- the exact bytes, encrypted; erased once resolved
    processor_id text,
    amount_captured bigint not null default 0 check (amount_captured >= 0),
    surplus boolean not null default false,
    surplus_at timestamptz,                        -- since when it is the payer's money
    surplus_reason text not null default '',       -- why no invoice takes it
    decline_class text not null default '',
    advice text not null default '',
    processor_code text not null default '',
    network_code text not null default '',
    network_advice text not null default '',
    message text not null default '',
    action_url text not null default '',
    lookups integer not null default 0 check (lookups >= 0),
    withdrawn boolean not null default false,      -- the processor was asked to cancel it
    looked_at timestamptz,                         -- the last look-up that was answered, and showed nothing
    resolve_at timestamptz,
    retry_after timestamptz,
    created_at timestamptz not null,
    sent_at timestamptz not null,
    resent_at timestamptz,                         -- the last time the same bytes were sent again
    resolved_at timestamptz,
    settled_at timestamptz,                        -- when the processor called its money settled
    unique (account, invoice, number),
    unique (account, id),
    unique (connection, reference),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, payment_method) references tollbridge.payment_method (account, id) on delete restrict,
    constraint resolved_has_a_time
        check ((state in ('sending', 'pending', 'requires_action', 'unknown')) = (resolved_at is null)),
    constraint bytes_are_kept_while_unresolved
        check ((state not in ('sending', 'unknown')) or request is not null),
    constraint only_what_succeeded_settles check (settled_at is null or state in ('succeeded', 'reversed')),
    constraint surplus_has_a_time check (surplus = (surplus_at is not null)),
    constraint success_took_something check (state <> 'succeeded' or (amount_captured > 0 and processor_id is not null))
);
-- Law 1.
create unique index attempt_one_unresolved on tollbridge.attempt (account, invoice)
    where state in ('sending', 'pending', 'requires_action', 'unknown');
create unique index attempt_one_full_success on tollbridge.attempt (account, invoice)
    where state = 'succeeded' and amount_captured >= amount and not surplus;
-- What the card schemes count of a card, and what blocks it for good.
create index attempt_tries on tollbridge.attempt (account, fingerprint, sent_at)
    where state in ('declined', 'sending', 'unknown');
create index attempt_never on tollbridge.attempt (account, fingerprint) where advice = 'never';
-- Why tries fail, week by week.
create index attempt_declined on tollbridge.attempt (account, resolved_at)
    include (invoice, number, connection, decline_class) where state = 'declined';
create unique index attempt_processor_id on tollbridge.attempt (connection, processor_id) where processor_id is not null;

-- Law 2: what was committed before the call never changes after it.
create function tollbridge.intent_is_fixed() returns trigger language plpgsql as $$
begin
    if (new.id, new.account, new.invoice, new.number, new.connection, new.payment_method, new.amount, new.currency,
            new.idempotency_key, new.reference)
       is distinct from
       (old.id, old.account, old.invoice, old.number, old.connection, old.payment_method, old.amount, old.currency,
            old.idempotency_key, old.reference)
       or (new.request is not null and new.request is distinct from old.request) then
        raise exception 'attempt % was committed with other values', old.id
            using errcode = 'check_violation', constraint = 'intent_is_fixed';
    end if;
    return new;
end $$;
create trigger intent_is_fixed before update on tollbridge.attempt
    for each row execute function tollbridge.intent_is_fixed();

create table tollbridge.recording (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    attempt text,                                  -- the capture that it tells of,
    receipt text,                                  -- or the movement of a payment that was recorded by hand
    target text not null default 'invoice'         -- it pays the invoice, or what that did not take is the customer's credit
        check (target in ('invoice', 'balance')),
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    state text not null check (state in ('sending', 'recorded', 'refused', 'not_sent', 'unknown')),
    idempotency_key text not null unique,
    how text not null default '',
    created_at timestamptz not null,
    resolved_at timestamptz,
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, attempt) references tollbridge.attempt (account, id) on delete restrict,
    constraint tells_of_one_payment check ((attempt is null) <> (receipt is null))
);
create unique index recording_one_open on tollbridge.recording (account, invoice) where state = 'sending';
create index recording_invoice on tollbridge.recording (account, invoice);
create index recording_attempt on tollbridge.recording (attempt) where attempt is not null;

-- What was, or is to be, credited at Stripe: by us, or by somebody in its dashboard.
create table tollbridge.credit_note (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    origin text not null check (origin in ('stripe', 'refund', 'dispute', 'partial', 'reversal')),
    subject text not null,                         -- the refund, dispute, ... that it is for; Stripe's id of its own
    stripe_id text,
    number text not null default '',
    state text not null check (state in ('wanted', 'sending', 'unknown', 'issued', 'refused', 'void')),
    amount bigint not null check (amount > 0),
    out_of_band bigint not null default 0 check (out_of_band >= 0),
    pre_payment bigint not null default 0 check (pre_payment >= 0),
    post_payment bigint not null default 0 check (post_payment >= 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    reason text not null default '',
    memo text not null default '',
    params text not null default '',               -- exactly what Stripe is asked for, as JSON
    tries integer not null default 0 check (tries >= 0),
    error text not null default '',
    created_at timestamptz not null,
    sent_at timestamptz,
    issued_at timestamptz,
    read_at timestamptz,                           -- when Stripe showed it last
    unique (account, id),
    unique (account, stripe_id),
    unique (account, origin, subject),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    check ((state in ('issued', 'void')) = (stripe_id is not null)),
    check (origin <> 'stripe' or stripe_id = subject)
);
create index credit_note_invoice on tollbridge.credit_note (account, invoice);
create index credit_note_read on tollbridge.credit_note (account, read_at) where read_at is not null;

-- What a credit note took off an invoice and the customer still owes: another invoice bills it (`issued_as`), with these
-- lines, or, where they don't come to the amount, with one plain line.
create table tollbridge.remainder (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    credit_note text not null,
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    days_until_due integer not null check (days_until_due > 0),
    lines text not null,                           -- as JSON
    one_line boolean not null default false,
    state text not null check (state in ('wanted', 'sending', 'unknown', 'issued', 'refused')),
    issued_as text,                                -- the invoice at Stripe
    tries integer not null default 0 check (tries >= 0),
    error text not null default '',
    created_at timestamptz not null,
    sent_at timestamptz,
    unique (account, id),
    unique (account, credit_note),
    unique (account, issued_as),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, issued_as) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, credit_note) references tollbridge.credit_note (account, id) on delete restrict,
    check ((state = 'issued') = (issued_as is not null)),
    check (issued_as is distinct from invoice)
);
create index remainder_invoice on tollbridge.remainder (account, invoice);

-- What a credit note took off an invoice that was too small to be charged: the customer owes it by the balance at Stripe,
-- which the next finalized invoice takes up.
create table tollbridge.carry (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    credit_note text not null,
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    state text not null check (state in ('wanted', 'sending', 'unknown', 'carried', 'refused')),
    transaction text,                              -- the balance transaction at Stripe
    tries integer not null default 0 check (tries >= 0),
    error text not null default '',
    created_at timestamptz not null,
    sent_at timestamptz,
    unique (account, id),
    unique (account, credit_note),
    unique (account, transaction),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, credit_note) references tollbridge.credit_note (account, id) on delete restrict,
    check ((state = 'carried') = (transaction is not null))
);
create index carry_invoice on tollbridge.carry (account, invoice);

-- Money that somebody wants back, or that went back: one credit note, and a part for each capture that it is taken from.
create table tollbridge.refund (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    invoice text not null,
    origin text not null check (origin in ('request', 'stripe', 'processor', 'surplus')),
    base text not null,                            -- what keys and references are made of
    state text not null check (state in ('requested', 'deferred', 'sending', 'pending', 'succeeded', 'failed', 'unknown',
        'refused', 'recorded')),
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    attempt text,                                  -- the one capture that it may be taken from
    reason text not null default ''
        check (reason in ('', 'duplicate', 'fraudulent', 'order_change', 'product_unsatisfactory')),
    memo text not null default '',                 -- on the credit note, for the customer
    note text not null default '',                 -- for the merchant's own people
    lines text not null default '',                -- what was asked for line by line, as JSON
    wants_note boolean not null,
    credit_note text,
    requested_by text not null default '',
    approval text not null default '' check (approval in ('', 'waiting', 'given', 'denied')),
    approved_by text not null default '',
    failure text not null default '',              -- why it was not made
    message text not null default '',
    created_at timestamptz not null,
    resolved_at timestamptz,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,
    unique (account, id),
    unique (account, base),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, attempt) references tollbridge.attempt (account, id) on delete restrict,
    foreign key (account, credit_note) references tollbridge.credit_note (account, id) on delete restrict,
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null)),
    constraint second_pair_of_eyes check (approval <> 'given' or (approved_by <> '' and approved_by <> requested_by))
);
create unique index refund_of_note on tollbridge.refund (account, credit_note) where credit_note is not null;
create index refund_invoice on tollbridge.refund (account, invoice);
create index refund_wanting on tollbridge.refund (account, id) where seen < poked;
create index refund_due on tollbridge.refund (due_at) where due_at is not null;
create index refund_claimed on tollbridge.refund (claim_until) where claimed_by is not null;
create index refund_waiting on tollbridge.refund (account) where approval = 'waiting';
create index refund_listing on tollbridge.refund (account, created_at desc, id);

create table tollbridge.refund_part (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    refund text not null,
    number integer not null check (number > 0),
    attempt text not null,
    connection text not null,
    charge_id text not null,                       -- the capture at the processor
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    state text not null check (state in ('requested', 'sending', 'pending', 'succeeded', 'failed', 'unknown', 'refused')),
    is_external boolean not null default false,    -- began at the processor: no call of ours made it
    idempotency_key uuid not null unique,
    reference text not null,
    request bytea,                                 -- the exact bytes, encrypted; erased once resolved
    processor_id text,
    refusal text not null default '',
    code text not null default '',
    message text not null default '',
    lookups integer not null default 0 check (lookups >= 0),
    looked_at timestamptz,
    resolve_at timestamptz,
    retry_after timestamptz,
    created_at timestamptz not null,
    sent_at timestamptz,
    resent_at timestamptz,
    resolved_at timestamptz,
    unique (account, id),
    unique (refund, number),
    unique (connection, reference),
    foreign key (account, refund) references tollbridge.refund (account, id) on delete restrict,
    foreign key (account, attempt) references tollbridge.attempt (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    constraint bytes_are_kept_while_unresolved
        check (state not in ('sending', 'unknown') or is_external or request is not null),
    constraint what_went_back_has_an_id check (state not in ('pending', 'succeeded') or processor_id is not null)
);
create index refund_part_attempt on tollbridge.refund_part (attempt);
create unique index refund_part_processor_id on tollbridge.refund_part (connection, processor_id)
    where processor_id is not null;

-- A payer's objection, as the processor tells of it.
create table tollbridge.dispute (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    connection text not null,
    invoice text not null,
    attempt text not null,
    processor_id text not null,
    charge_id text not null,
    state text not null check (state in ('inquiry', 'opened', 'funds_withdrawn', 'won', 'lost', 'partly_lost', 'closed')),
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    reason text not null default '',
    evidence_due_by timestamptz,
    evidence_url text not null default '',
    withdrawn bigint not null default 0,           -- what the processor says is gone for it; the ledger is the proof
    credit_note text,                              -- the last one that was made for it, or is being made
    failure text not null default '',              -- why none can be, until somebody has it tried again
    told_at timestamptz not null,                  -- when the processor said so last, by its own clock,
    told_moves integer not null default 0,         -- and how many moves of money it knew of then
    created_at timestamptz not null,
    resolved_at timestamptz,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,
    unique (account, id),
    unique (connection, processor_id),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, attempt) references tollbridge.attempt (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, credit_note) references tollbridge.credit_note (account, id) on delete restrict,
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null))
);
create index dispute_attempt on tollbridge.dispute (attempt);
create index dispute_invoice on tollbridge.dispute (account, invoice);
create index dispute_wanting on tollbridge.dispute (account, id) where seen < poked;
create index dispute_due on tollbridge.dispute (due_at) where due_at is not null;
create index dispute_claimed on tollbridge.dispute (claim_until) where claimed_by is not null;
create index dispute_listing on tollbridge.dispute (account, created_at desc, id);

create table tollbridge.movement (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    connection text,                               -- null for a receipt, which no processor knows
    invoice text not null,
    attempt text,
    refund text,
    kind text not null check (kind in ('capture', 'receipt', 'capture_reversed', 'capture_reinstated', 'refund',
        'refund_failed', 'dispute_withdrawn', 'dispute_returned', 'surplus_returned')),
    processor_id text not null,
    occurrence text not null default '',
    amount bigint not null check (amount > 0),
    currency text not null check (currency ~ '^[a-z]{3}$'),
    evidence text not null default '',
    occurred_at timestamptz not null,
    created_at timestamptz not null,
    unique (account, id),
    constraint movement_once unique nulls not distinct (account, connection, kind, processor_id, occurrence),
    foreign key (account, invoice) references tollbridge.invoice (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, attempt) references tollbridge.attempt (account, id) on delete restrict,
    foreign key (account, refund) references tollbridge.refund (account, id) on delete restrict,
    check ((kind = 'receipt') = (connection is null)),
    check (kind <> 'receipt' or evidence <> ''),
    check (kind = 'receipt' or attempt is not null)
);
alter table tollbridge.recording add foreign key (account, receipt)
    references tollbridge.movement (account, id) on delete restrict;
create index movement_invoice on tollbridge.movement (account, invoice);
create index movement_attempt on tollbridge.movement (attempt);
-- Holds all that is summed, so that what came in is counted from it alone.
create index movement_collected on tollbridge.movement (account, occurred_at)
    include (kind, currency, amount, connection);

-- Law 10.
create function tollbridge.append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'check_violation', constraint = 'append_only';
end $$;
create trigger append_only before update or delete on tollbridge.movement
    for each row execute function tollbridge.append_only();
create trigger append_only_whole before truncate on tollbridge.movement
    for each statement execute function tollbridge.append_only();

-- Money that we hold for an invoice and that Stripe does not know of: what came in, less what it was told of (as the
-- payment of this invoice, or of the one that took its place, or as the customer's credit), and less what goes back as too
-- much. Surplus captures aside. Below zero: more was taken back than that, and no credit note has said so yet.
create function tollbridge.held_money(of_account text, of_invoice text) returns bigint language sql stable as $$
    select coalesce((select sum(case m.kind when 'capture_reversed' then -m.amount else m.amount end)
                     from tollbridge.movement m left join tollbridge.attempt t on t.id = m.attempt
                     where m.account = of_account and m.invoice = of_invoice and not coalesce(t.surplus, false)
                       and m.kind in ('capture', 'receipt', 'capture_reversed', 'capture_reinstated')), 0)::bigint
         - coalesce((select sum(r.amount) from tollbridge.recording r left join tollbridge.attempt t on t.id = r.attempt
                     where r.account = of_account and r.state = 'recorded'
                       and case when t.id is null then r.invoice else t.invoice end = of_invoice
                       and r.invoice in (select of_invoice union all
                                         select o.issued_as from tollbridge.remainder o
                                         where o.account = of_account and o.invoice = of_invoice)), 0)::bigint
         + coalesce((select sum(n.out_of_band) from tollbridge.credit_note n
                     where n.account = of_account and n.invoice = of_invoice and n.origin = 'reversal'
                       and n.state = 'issued'), 0)::bigint
         - coalesce((select sum(p.amount) from tollbridge.refund r join tollbridge.refund_part p on p.refund = r.id
                         join tollbridge.attempt t on t.id = p.attempt
                     where r.account = of_account and r.invoice = of_invoice and r.origin = 'surplus' and not t.surplus
                       and p.state not in ('failed', 'refused')), 0)::bigint
$$;

-- Law 8: what may still be returned of one capture, under its lock. A dispute that is not won counts with all that it is
-- about, or with what it took, whichever is more. What became the customer's credit at Stripe is not returned as well.
-- With a charge: of that charge alone, where an attempt made several.
create function tollbridge.refundable(capture text, charge text default null) returns bigint language sql stable as $$
    select coalesce((select sum(case when kind in ('capture', 'capture_reinstated') then amount
                                     when kind = 'capture_reversed' then -amount else 0 end)
                     from tollbridge.movement
                     where attempt = capture and (charge is null or processor_id = charge)), 0)::bigint
         - coalesce((select sum(amount) from tollbridge.refund_part
                     where attempt = capture and state not in ('failed', 'refused')
                       and (charge is null or charge_id = charge)), 0)::bigint
         - coalesce((select sum(amount) from tollbridge.recording
                     where attempt = capture and target = 'balance' and state in ('sending', 'unknown', 'recorded')
                       and charge is null), 0)::bigint
         - coalesce((select sum(greatest(case when d.state in ('opened', 'funds_withdrawn') then d.amount else 0 end,
                         coalesce((select sum(case m.kind when 'dispute_withdrawn' then m.amount else -m.amount end)
                                   from tollbridge.movement m
                                   where m.connection = d.connection and m.processor_id = d.processor_id
                                     and m.kind in ('dispute_withdrawn', 'dispute_returned')), 0)))
                     from tollbridge.dispute d
                     where d.attempt = capture and (charge is null or d.charge_id = charge)), 0)::bigint
$$;
-- The same once every dispute about it that is open is won.
create function tollbridge.refundable_if_won(capture text) returns bigint language sql stable as $$
    select tollbridge.refundable(capture)
         + coalesce((select sum(greatest(d.amount, coalesce((
                select sum(case m.kind when 'dispute_withdrawn' then m.amount else -m.amount end)
                from tollbridge.movement m
                where m.connection = d.connection and m.processor_id = d.processor_id
                  and m.kind in ('dispute_withdrawn', 'dispute_returned')), 0)))
            from tollbridge.dispute d
            where d.attempt = capture and d.state in ('opened', 'funds_withdrawn')), 0)::bigint
$$;
-- What pays an invoice, capture by capture, and what of each can be returned for it. A capture whose money came again
-- after it was taken back may pay the invoice that took its own one's place (a recording tells so): it counts there, with
-- what was told there, and no more at its own. Never more than law 8 leaves of the whole capture.
create function tollbridge.paying(of_account text, of_invoice text)
        returns table (attempt text, room bigint, room_if_won bigint) language sql stable as $$
    select t.id, greatest(case when t.invoice = of_invoice then tollbridge.refundable(t.id) - greatest(s.elsewhere, 0)
                               else least(tollbridge.refundable(t.id), s.here) end, 0),
        greatest(case when t.invoice = of_invoice then tollbridge.refundable_if_won(t.id) - greatest(s.elsewhere, 0)
                      else least(tollbridge.refundable_if_won(t.id), s.here) end, 0)
    from tollbridge.attempt t cross join lateral (
        select coalesce(sum(x.amount) filter (where x.invoice <> t.invoice), 0)::bigint as elsewhere,
            coalesce(sum(x.amount) filter (where x.invoice = of_invoice), 0)::bigint as here
        from (select r.invoice, r.amount from tollbridge.recording r
              where r.attempt = t.id and r.state = 'recorded' and r.target = 'invoice'
              union all
              select f.invoice, -p.amount from tollbridge.refund_part p join tollbridge.refund f on f.id = p.refund
              where p.attempt = t.id and p.state not in ('failed', 'refused')) x) s
    where t.account = of_account and t.amount_captured > 0
      and t.id in (select o.id from tollbridge.attempt o where o.account = of_account and o.invoice = of_invoice
                   union
                   select r.attempt from tollbridge.recording r where r.account = of_account and r.invoice = of_invoice
                     and r.state = 'recorded' and r.target = 'invoice' and r.attempt is not null)
$$;
-- What began at the processor is a fact, and is stored whatever is left.
create function tollbridge.refund_within_capture() returns trigger language plpgsql as $$
begin
    if new.is_external or new.state in ('failed', 'refused') or (tg_op = 'UPDATE'
            and old.state not in ('failed', 'refused') and new.amount = old.amount and new.attempt = old.attempt) then
        return new;
    end if;
    perform 1 from tollbridge.attempt where id = new.attempt for update;
    if new.amount > tollbridge.refundable(new.attempt)
            + (case when tg_op = 'UPDATE' and old.state not in ('failed', 'refused') and old.attempt = new.attempt
                    then old.amount else 0 end) then
        raise exception 'refund of % exceeds what is refundable of capture %', new.amount, new.attempt
            using errcode = 'check_violation', constraint = 'refund_within_capture';
    end if;
    return new;
end $$;
create trigger refund_within_capture before insert or update on tollbridge.refund_part
    for each row execute function tollbridge.refund_within_capture();

-- Law 2, for refunds: what was committed before the call never changes after it.
create function tollbridge.refund_intent_is_fixed() returns trigger language plpgsql as $$
begin
    if (new.id, new.account, new.refund, new.number, new.attempt, new.connection, new.charge_id, new.amount,
            new.currency, new.idempotency_key, new.reference)
       is distinct from
       (old.id, old.account, old.refund, old.number, old.attempt, old.connection, old.charge_id, old.amount,
            old.currency, old.idempotency_key, old.reference)
       or (old.request is not null and new.request is not null and new.request is distinct from old.request) then
        raise exception 'refund part % was committed with other values', old.id
            using errcode = 'check_violation', constraint = 'refund_intent_is_fixed';
    end if;
    return new;
end $$;
create trigger refund_intent_is_fixed before update on tollbridge.refund_part
    for each row execute function tollbridge.refund_intent_is_fixed();

create table tollbridge.checkout_session (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    client_reference text not null check (client_reference <> ''),
    client_secret_hash bytea not null unique,
    client_secret bytea not null,                  -- encrypted, so that a repeated create can give it back
    state text not null check (state in ('creating', 'open', 'processing', 'complete', 'failed', 'expired')),
    reason text not null default '',
    failure_code text not null default '',
    request jsonb not null,
    customer text not null default '',
    subscription text not null default '',
    invoice text not null default '',              -- '' too where nothing is billed ahead
    currency text not null default '',             -- the subscription's
    connection text,
    payment_method text,
    told_stripe boolean not null default false,    -- the references stand at the Stripe customer; its invoice is free
    looked_for_subscription boolean not null default false,
    cleanup_done boolean not null default false,
    country text not null default '',              -- the payer's, as far as we were told; decides what is on offer
    collection text not null default 'processor' check (collection in ('processor', 'hosted')),   -- as it was when it began
    confirmed_at timestamptz,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,
    unique (account, id),
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, payment_method) references tollbridge.payment_method (account, id) on delete restrict,
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null))
);
create unique index checkout_session_live on tollbridge.checkout_session (account, client_reference)
    where state in ('creating', 'open', 'processing', 'complete');
create index checkout_session_wanting on tollbridge.checkout_session (id) where seen < poked;
create index checkout_session_due on tollbridge.checkout_session (due_at) where due_at is not null;
create index checkout_session_claimed on tollbridge.checkout_session (claim_until) where claimed_by is not null;
create index checkout_session_invoice on tollbridge.checkout_session (account, invoice);
create index checkout_session_subscription on tollbridge.checkout_session (account, subscription) where subscription <> '';

-- How an invoice that is sent is to be collected now: as its subscription says, else its checkout, which has shown its
-- payer so and is not over yet, else its customer, else the account.
create function tollbridge.collection(of_account text, of_customer text, of_subscription text) returns text
language sql stable as $$
    select coalesce(
        (select s.collection from tollbridge.subscription s where s.account = of_account and s.id = of_subscription),
        (select k.collection from tollbridge.checkout_session k
         where k.account = of_account and k.subscription = of_subscription and k.subscription <> ''
           and k.state <> 'complete' and not k.cleanup_done
         order by k.created_at desc limit 1),
        (select c.collection from tollbridge.customer c where c.account = of_account and c.id = of_customer),
        (select a.policies ->> 'collection' from tollbridge.account a where a.id = of_account),
        'processor')
$$;

-- A key to the view of one customer's invoices, or of one subscription's, for a merchant's own pages. It is a bearer
-- token like any other, so its times are machine time.
create table tollbridge.organization_token (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    customer text not null check (customer <> ''),
    subscription text not null default '',         -- that alone; empty: all of the customer's
    hash bytea not null unique,
    return_url text not null default '',           -- where our page, and those that it leads to, lead back to
    made_at timestamptz not null,
    expires_at timestamptz not null,
    unique (account, id)
);
create index organization_token_expired on tollbridge.organization_token (expires_at);

-- A payer gives another payment method, outside any checkout.
create table tollbridge.payment_method_session (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    customer text not null,
    client_secret_hash bytea not null unique,
    client_secret bytea not null,                  -- encrypted, so that a repeated create can give it back
    state text not null check (state in ('open', 'processing', 'complete', 'expired')),
    reason text not null default '',
    failure_code text not null default '',
    connection text,                               -- the only one on offer; null: whatever takes the currency
    at_stripe boolean not null default false,      -- Stripe keeps the method, and collects with it from then on
    subscription text,                             -- for which alone it is given; null: for all of the customer's
    open_invoices text not null default 'finish' check (open_invoices in ('finish', 'hand_over')),
    by_token boolean not null default false,       -- asked for with an organization's token, which says nothing of what
                                                   -- is on offer: never the session that the merchant has asked for
    currency text not null check (currency ~ '^[a-z]{3}$'),
    return_url text not null default '',
    country text not null default '',              -- the payer's,
    attributes jsonb not null default '{}',        -- and what else decides what is on offer
    payment_method text,
    stripe_payment_method text,
    setup_intent text,                             -- at Stripe, which is asked for its client secret whenever that is wanted
    intents_lost integer not null default 0 check (intents_lost >= 0),  -- calls for one of which nobody knows what came
    portal_at timestamptz,                         -- when an address of Stripe's portal was given out
    look_at timestamptz,                           -- when Stripe is asked what the payer has done; null: not now
    looks integer not null default 0 check (looks >= 0),
    expires_at timestamptz not null,
    created_at timestamptz not null,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,                    -- since when Stripe has been turning its turns away; null between
    unique (account, id),
    foreign key (account, customer) references tollbridge.customer (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, payment_method) references tollbridge.payment_method (account, id) on delete restrict,
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null)),
    foreign key (account, subscription) references tollbridge.subscription (account, id) on delete restrict,
    check ((state = 'complete') = (coalesce(payment_method, stripe_payment_method) is not null)),
    constraint who_keeps_the_method check (case when at_stripe then connection is null and payment_method is null
        else stripe_payment_method is null and setup_intent is null and portal_at is null and look_at is null end)
);
-- Whoever asks twice for the same gets the same session.
create unique index payment_method_session_live on tollbridge.payment_method_session
    (account, customer, coalesce(connection, ''), at_stripe, coalesce(subscription, ''), return_url, by_token)
    where state in ('open', 'processing');
create index payment_method_session_wanting on tollbridge.payment_method_session (id) where seen < poked;
create index payment_method_session_due on tollbridge.payment_method_session (due_at) where due_at is not null;
create index payment_method_session_claimed on tollbridge.payment_method_session (claim_until)
    where claimed_by is not null;

-- Whether a method may be charged for a subscription ('' for none): one that was given for others is for those alone, also
-- once another has taken its place there, and for what its payer chose it for in a checkout; one that is on its way out is for what has no other of its own.
create function tollbridge.serves(of_account text, method text, of_subscription text) returns boolean language sql stable as $$
    select case when exists (select 1 from tollbridge.payment_method p
                             where p.account = of_account and p.id = method and p.alone)
        then exists (select 1 from tollbridge.subscription b where b.account = of_account and b.payment_method = method
                       and b.id = of_subscription)
          or exists (select 1 from tollbridge.checkout_session k where k.account = of_account
                       and k.subscription = of_subscription and k.subscription <> '' and k.payment_method = method)
        else not exists (select 1 from tollbridge.payment_method p join tollbridge.subscription b on b.account = p.account
                         where p.account = of_account and p.id = method and p.retiring
                           and b.id = of_subscription and b.payment_method is not null) end
$$;

-- What was begun at a processor so that a payer can enter a method. Each ends as the method that its session keeps, or
-- as nothing: what came of the others is deleted at the processor.
create table tollbridge.payment_setup (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    checkout_session text,                         -- the session that it is for,
    payment_method_session text,                   -- of either kind
    connection text not null,
    processor_ref bytea not null,                  -- encrypted: what the processor calls it
    client bytea,                                  -- encrypted: what the processor's code gave the browser; erased in the end
    vault_hash text,                               -- of a token that came of it and is not wanted: its deletion has begun
    state text not null check (state in ('open', 'stored', 'failed', 'dropped')),
    named_at timestamptz,                          -- when a browser came back with it
    looks integer not null default 0 check (looks >= 0),
    look_at timestamptz,                           -- when the processor is asked next; null once it has ended
    expires_at timestamptz not null,               -- at the processor: no method comes of it later
    created_at timestamptz not null,
    foreign key (account, checkout_session) references tollbridge.checkout_session (account, id) on delete restrict,
    foreign key (account, payment_method_session)
        references tollbridge.payment_method_session (account, id) on delete restrict,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    constraint belongs_to_one_session check ((checkout_session is null) <> (payment_method_session is null)),
    check ((state = 'open') = (look_at is not null))
);
create index payment_setup_checkout on tollbridge.payment_setup (account, checkout_session)
    where checkout_session is not null;
create index payment_setup_methods on tollbridge.payment_setup (account, payment_method_session)
    where payment_method_session is not null;
create index payment_setup_vault on tollbridge.payment_setup (vault_hash) where vault_hash is not null;

create table tollbridge.delivery (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    source text not null,                          -- 'stripe', or the connection's id
    delivery_key text,
    kind text not null,
    object_id text not null default '',
    body bytea not null,
    state text not null default 'stored' check (state in ('stored', 'done', 'ignored', 'parked')),
    reason text not null default '',
    tries integer not null default 0,
    try_at timestamptz,
    received_at timestamptz not null,
    finished_at timestamptz,
    check (state not in ('ignored', 'parked') or reason <> '')
);
create unique index delivery_once on tollbridge.delivery (account, source, delivery_key) where delivery_key is not null;
create index delivery_stored on tollbridge.delivery (received_at) where state = 'stored';
create index delivery_listing on tollbridge.delivery (account, received_at desc, id);
create index delivery_object on tollbridge.delivery (account, object_id) where object_id <> '';

-- How often a door turned deliveries away, by the minute of machine time: a row for each door and minute at most, however
-- often a stranger knocks. Kept for a day; losing it in a crash of the database costs nothing.
create unlogged table tollbridge.refused_delivery (
    account text not null references tollbridge.account on delete restrict,
    source text not null,                          -- 'stripe', or the connection's id
    minute timestamptz not null,
    reason text not null,                          -- the last one
    refused bigint not null check (refused > 0),
    primary key (account, source, minute)
);
create index refused_delivery_minute on tollbridge.refused_delivery (minute);

-- What we tell the merchant: each event once for what makes it happen (its step), numbered within its object.
create table tollbridge.outbound_sequence (
    account text not null references tollbridge.account on delete restrict,
    object text not null,
    last bigint not null,
    primary key (account, object)
);
create table tollbridge.outbound_event (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    type text not null,
    object_kind text not null,
    object text not null,
    step text not null,
    sequence bigint not null check (sequence > 0),
    data jsonb not null,
    created_at timestamptz not null,
    unique (account, id),
    constraint outbound_event_once unique (account, object, type, step),
    unique (account, object, sequence)
);
create index outbound_event_listing on tollbridge.outbound_event (account, created_at desc, id);

create table tollbridge.webhook_endpoint (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    url text not null check (url <> ''),
    types text[] not null default '{}',            -- none: all
    description text not null default '',
    enabled boolean not null default true,
    failing_since timestamptz,                     -- business time: the first failure after the last success
    silent integer not null default 0,             -- rounds in a row in which nothing was answered
    rests_until timestamptz,                       -- and nothing is sent before this business time
    created_at timestamptz not null,
    claimed_by text,
    claim_until timestamptz,                       -- machine time: a holder that died lets go
    unique (account, id),
    check ((claimed_by is null) = (claim_until is null))
);
create index webhook_endpoint_listing on tollbridge.webhook_endpoint (account, created_at desc, id);

create table tollbridge.webhook_endpoint_secret (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    endpoint text not null,
    secret bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,                        -- set when another takes its place; until then both sign
    foreign key (account, endpoint) references tollbridge.webhook_endpoint (account, id) on delete restrict
);
create index webhook_endpoint_secret_endpoint on tollbridge.webhook_endpoint_secret (endpoint);

create table tollbridge.event_delivery (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    event text not null,
    endpoint text not null,
    state text not null check (state in ('pending', 'delivered', 'given_up')),
    tries integer not null default 0,
    begun_at timestamptz not null,                 -- announced, or asked for again
    due_at timestamptz,
    tried_at timestamptz,
    finished_at timestamptz,
    status integer,                                -- of the last answer
    error text not null default '',                -- our own words: what is answered is never kept
    unique (event, endpoint),
    foreign key (account, event) references tollbridge.outbound_event (account, id) on delete restrict,
    foreign key (account, endpoint) references tollbridge.webhook_endpoint (account, id) on delete restrict,
    check ((state = 'pending') = (due_at is not null)),
    check ((state = 'pending') = (finished_at is null))
);
create index event_delivery_due on tollbridge.event_delivery (endpoint, due_at) where state = 'pending';
create index event_delivery_listing on tollbridge.event_delivery (account, endpoint, begun_at desc, id);
create index event_delivery_given_up on tollbridge.event_delivery (account, event) where state = 'given_up';

-- Walks through Stripe's lists and processors' own, for what webhooks did not bring: done up to a business time, resumable.
create table tollbridge.catch_up (
    account text not null references tollbridge.account on delete restrict,
    walk text not null check (walk in ('events', 'thin_events', 'open_invoices', 'draft_invoices', 'new_invoices',
        'credit_notes', 'subscriptions', 'notices')),
    connection text not null default '',           -- whose own list it is; '' for Stripe's
    done_to timestamptz not null,                  -- everything before is here
    began_at timestamptz,                          -- the walk under way; null between two
    page_after text not null default '',           -- its cursor: the last object that was taken in, or Stripe's name of the next page
    failures integer not null default 0,
    failing_since timestamptz,
    error text not null default '',                -- what the last turn failed of
    claim_until timestamptz,                       -- machine time: a holder that died lets go
    primary key (account, walk, connection),
    check ((walk = 'notices') = (connection <> ''))
);

create table tollbridge.review_case (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    kind text not null,
    subject text not null,
    invoice text not null default '',
    reason text not null,
    action text not null,                          -- what closes it, in words
    owner text not null default '',
    state text not null check (state in ('open', 'closed')),
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_by text not null default '',
    closed_reason text not null default '',
    unique (account, id),
    check ((state = 'closed') = (closed_at is not null))
);
create unique index review_case_open on tollbridge.review_case (account, kind, subject) where state = 'open';
create index review_case_invoice on tollbridge.review_case (account, invoice) where invoice <> '';
create index review_case_subject on tollbridge.review_case (account, subject, kind);
create index review_case_listing on tollbridge.review_case (account, state, opened_at);

-- What people write to each other about a case. It is never changed, but for the text of one who is erased.
create table tollbridge.case_note (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    review_case text not null,
    author text not null check (author <> ''),
    text text not null check (text <> ''),
    written_at timestamptz not null,
    unique (account, id),
    foreign key (account, review_case) references tollbridge.review_case (account, id) on delete restrict
);
create index case_note_listing on tollbridge.case_note (account, review_case, written_at desc, id desc);

create function tollbridge.case_note_stands() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.text = '(erased)' and (new.id, new.account, new.review_case, new.author, new.written_at)
            = (old.id, old.account, old.review_case, old.author, old.written_at) then
        return new;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'check_violation', constraint = 'append_only';
end $$;
create trigger append_only before update or delete on tollbridge.case_note
    for each row execute function tollbridge.case_note_stands();
create trigger append_only_whole before truncate on tollbridge.case_note
    for each statement execute function tollbridge.append_only();

-- The way of an account's usage to Stripe: an object of `advance`, one for each account, made with the first usage. Its
-- turn sends what waits, and reads the meters again where `stale` says that they may have changed.
create table tollbridge.usage_stream (
    account text not null references tollbridge.account on delete restrict,
    id text not null,                              -- the account's
    stale boolean not null default true,
    read_at timestamptz,                           -- when the meters were read last
    asked_at timestamptz,                          -- machine time: when they were asked for last because of an unknown name,
    answered_at timestamptz,                       -- and when that ended,
    answered boolean not null default false,       -- with an answer
    rests_until timestamptz,                       -- Stripe took nothing: usage that comes in is no reason to ask before
    created_at timestamptz not null,
    poked bigint not null default 0,
    seen bigint not null default 0,
    due_at timestamptz,
    claimed_by text,
    claim_until timestamptz,
    failures integer not null default 0,
    turned_away_at timestamptz,
    primary key (account, id),
    check (seen <= poked),
    check ((claimed_by is null) = (claim_until is null))
);
create index usage_stream_wanting on tollbridge.usage_stream (account, id) where seen < poked;
create index usage_stream_due on tollbridge.usage_stream (due_at) where due_at is not null;
create index usage_stream_claimed on tollbridge.usage_stream (claim_until) where claimed_by is not null;

-- The meters of an account's Stripe, as they were read last. One event name has one active meter at most.
create table tollbridge.meter (
    account text not null references tollbridge.account on delete restrict,
    id text not null,
    event_name text not null,
    active boolean not null,
    formula text not null,                         -- Stripe's: sum, count, last
    customer_key text not null,                    -- what the customer and the value are called in an event's payload
    value_key text not null,
    time_window text not null default '',          -- of usage that comes summed up already: day, hour
    primary key (account, id)
);
create index meter_event_name on tollbridge.meter (account, event_name);

-- What a customer has used: accepted here, and sent to Stripe's meter once.
create table tollbridge.usage_event (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    identifier text not null check (length(identifier) between 1 and 100),
    customer text not null,
    subscription text,
    event_name text not null,
    value text not null check (value ~ '^-?[0-9]+([.][0-9]+)?$'),   -- exact, as Stripe is told it
    used_at timestamptz not null,
    state text not null check (state in ('accepted', 'sending', 'sent', 'refused', 'unconfirmed')),
    sent_at timestamptz,                           -- since when Stripe may have heard it
    turn text,                                     -- the holding of the stream that tried it last
    code text not null default '',                 -- why it was refused: Stripe's code, and its words
    error text not null default '',
    created_at timestamptz not null,
    resolved_at timestamptz,
    unique (account, identifier),
    foreign key (account, subscription) references tollbridge.subscription (account, id) on delete restrict,
    check ((state in ('accepted', 'sending')) = (resolved_at is null)),
    check (state <> 'accepted' or sent_at is null)
);
create index usage_event_waiting on tollbridge.usage_event (account, id) where state in ('accepted', 'sending');
create index usage_event_waiting_of on tollbridge.usage_event (account, customer, event_name, id)
    where state in ('accepted', 'sending');
create index usage_event_sending on tollbridge.usage_event (account, sent_at) where state = 'sending';
create index usage_event_listing on tollbridge.usage_event (account, created_at desc, id desc);
create index usage_event_customer on tollbridge.usage_event (account, customer, created_at desc, id desc);

create table tollbridge.audit_log (
    id text primary key,
    account text references tollbridge.account on delete restrict,
    actor text not null check (actor <> ''),
    action text not null,
    object text not null,
    reason text not null default '',
    before jsonb,
    after jsonb,
    created_at timestamptz not null
);
create index audit_log_listing on tollbridge.audit_log (account, created_at, id);
create index audit_log_object on tollbridge.audit_log (account, object, created_at);
-- Since when, and until when, somebody had a role: what people do of no account is shown to those whose they were then.
create index audit_log_roles on tollbridge.audit_log (account, object, created_at, id)
    where action in ('console_role.set', 'console_role.take');
create trigger append_only before update or delete on tollbridge.audit_log
    for each row execute function tollbridge.append_only();

create trigger append_only_whole before truncate on tollbridge.audit_log
    for each statement execute function tollbridge.append_only();

-- People who sign in to the console. They are of no account: what each may do in which stands in `console_role`. Their
-- sessions guard, and bill nothing, so all of their times but those of making are machine time.
create table tollbridge.console_user (
    id text primary key,
    email text not null unique check (email = lower(email) and length(email) between 3 and 254),
    name text not null check (name <> ''),
    password text not null default '',             -- argon2id, as its library writes it; empty: none was chosen (yet)
    password_from text not null default '',        -- the account whose admin handed out the link by which it was chosen;
                                                   -- empty: whoever runs the gateway did, here and below
    totp_secret bytea,                             -- encrypted; confirmed by a first code
    totp_step bigint not null default 0,           -- the last time step whose code was used: each is used once
    codes_wrong integer not null default 0 check (codes_wrong >= 0),   -- in a row
    oidc_issuer text not null default '',
    oidc_subject text not null default '',         -- who it is at that issuer; set by the first sign-in from there
    invitation_hash bytea unique,                  -- of the link by which a first password, or another, is chosen
    invited_until timestamptz,
    invited_from text not null default '',         -- the account whose admin handed the link out
    created_at timestamptz not null,
    disabled_at timestamptz,
    disabled_from text not null default '',        -- the account whose admin did that
    check ((oidc_issuer = '') = (oidc_subject = '')),
    check (password_from = '' or password <> ''),
    check ((invitation_hash is null) = (invited_until is null)),
    check (invited_from = '' or invitation_hash is not null),
    check (disabled_from = '' or disabled_at is not null)
);
create unique index console_user_oidc on tollbridge.console_user (oidc_issuer, oidc_subject) where oidc_subject <> '';

create table tollbridge.console_role (
    console_user text not null references tollbridge.console_user on delete restrict,
    account text not null references tollbridge.account on delete restrict,
    role text not null check (role in ('viewer', 'support', 'finance', 'admin')),
    primary key (console_user, account)
);
create index console_role_account on tollbridge.console_role (account);

create table tollbridge.console_session (
    id text primary key,
    console_user text not null references tollbridge.console_user on delete restrict,
    hash bytea not null unique,
    stage text not null check (stage in ('code', 'enrol', 'complete')),   -- what is missing until one is signed in
    manner text not null check (manner in ('password', 'oidc')),
    totp_secret bytea,                             -- encrypted: shown in this session, and not confirmed by a code yet
    agent text not null default '',
    address text not null default '',
    made_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index console_session_user on tollbridge.console_session (console_user, made_at);
create index console_session_expired on tollbridge.console_session (expires_at);

-- How often somebody tried to sign in lately, by mail, by address and by both. What is counted is hashed.
create table tollbridge.console_throttle (
    key bytea primary key,
    tries integer not null,
    since timestamptz not null
);

-- A search that somebody keeps, or shares with everybody of the account.
create table tollbridge.console_view (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    console_user text not null references tollbridge.console_user on delete restrict,
    page text not null,
    name text not null check (length(name) between 1 and 100),
    query text not null,
    shared boolean not null default false,
    created_at timestamptz not null,
    unique (account, console_user, page, name)
);

create table tollbridge.idempotent_reply (
    account text not null references tollbridge.account on delete restrict,
    principal text not null,
    key text not null check (length(key) between 1 and 255),
    fingerprint bytea not null,
    status integer,                                -- null while the first request is in progress
    headers jsonb not null default '{}',
    body bytea,
    created_at timestamptz not null,
    locked_until timestamptz not null,             -- machine time: a holder that died lets go
    primary key (account, principal, key)
);
create index idempotent_reply_age on tollbridge.idempotent_reply (created_at);

-- Business time is the system's plus this offset. Only the sandbox's clock control writes it, and never beside live keys.
create table tollbridge.business_clock (
    one boolean primary key default true check (one),
    offset_s bigint not null default 0,
    moved_at timestamptz                           -- machine time: before it, nobody had a turn at this business time
);
insert into tollbridge.business_clock default values;
create function tollbridge.business_now() returns timestamptz language sql stable as $$
    select now() + make_interval(secs => offset_s) from tollbridge.business_clock
$$;
create function tollbridge.clock_moves() returns trigger language plpgsql as $$
begin
    if new.offset_s <> 0 and exists (select 1 from tollbridge.account where livemode) then
        raise exception 'business time is never moved beside a live account' using errcode = 'check_violation';
    end if;
    if tg_op = 'UPDATE' and new.offset_s <> old.offset_s then
        new.moved_at := clock_timestamp();
    end if;
    return new;
end $$;
create trigger clock_moves before insert or update on tollbridge.business_clock
    for each row execute function tollbridge.clock_moves();
create function tollbridge.no_moved_clock() returns trigger language plpgsql as $$
begin
    if new.livemode and exists (select 1 from tollbridge.business_clock where offset_s <> 0) then
        raise exception 'no live account beside a business time that was moved' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger no_moved_clock before insert on tollbridge.account
    for each row execute function tollbridge.no_moved_clock();

-- Workers say that they live; a gap is downtime of ours.
create table tollbridge.worker (
    id text primary key,
    started_at timestamptz not null,
    beat_at timestamptz not null
);

-- Downtime in business time: ours ('', nobody worked), or a connection's (its processor did not answer).
create table tollbridge.downtime (
    connection text not null default '',
    from_at timestamptz not null,
    until_at timestamptz,                          -- null while it lasts
    primary key (connection, from_at),
    check (until_at >= from_at),
    check (connection <> '' or until_at is not null)
);
create unique index downtime_lasting on tollbridge.downtime (connection) where until_at is null;
create index downtime_end on tollbridge.downtime (until_at);

-- This worker lives. The first to say so after more than `longest` without any says for how long nobody did. The gap is
-- machine time, so a leap of business time is none; two who come back together write down the same one.
create function tollbridge.beat(of_worker text, longest interval) returns interval language plpgsql as $$
declare
    last timestamptz;
    found interval;
begin
    select max(beat_at) into last from tollbridge.worker;
    if clock_timestamp() - last > longest then
        insert into tollbridge.downtime (connection, from_at, until_at)
        select '', last + make_interval(secs => offset_s), clock_timestamp() + make_interval(secs => offset_s)
        from tollbridge.business_clock
        on conflict do nothing;
        found := clock_timestamp() - last;
    end if;
    insert into tollbridge.worker (id, started_at, beat_at) values (of_worker, clock_timestamp(), clock_timestamp())
    on conflict (id) do update set beat_at = clock_timestamp();
    return found;
end $$;

-- A run of charge calls that a connection's processor did not answer. Business time. Once it is open, charges wait, and
-- one at a time finds out whether the processor is there again. The first answer deletes the row.
create table tollbridge.circuit (
    connection text primary key,
    account text not null references tollbridge.account on delete restrict,
    failures integer not null check (failures > 0),
    failing_since timestamptz not null,            -- the first of the run
    failed_at timestamptz not null,                -- the last
    opened_at timestamptz,
    probe_at timestamptz,
    probes integer not null default 0,
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    check ((opened_at is null) = (probe_at is null))
);

-- Collection that somebody has paused, of a customer or of one invoice: Stripe's ids tell them apart.
create table tollbridge.collection_pause (
    account text not null references tollbridge.account on delete restrict,
    object text not null,
    reason text not null check (reason <> ''),
    paused_by text not null,
    paused_at timestamptz not null,
    until_at timestamptz,                          -- ends by itself then; null: when somebody resumes
    primary key (account, object)
);

-- The books: what processors settled, what of it (and of Stripe) differs from the ledger, and the exports.
create index movement_booked on tollbridge.movement (account, created_at, id);

-- How a connection's settlement files are to be read that people upload.
create table tollbridge.settlement_format (
    account text not null references tollbridge.account on delete restrict,
    connection text not null,
    format jsonb not null,
    updated_at timestamptz not null,
    primary key (account, connection),
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict
);

create table tollbridge.settlement_file (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    connection text not null,
    processor_id text not null,                    -- the processor's name of it, or the hash of what was uploaded
    name text not null default '',
    rows bigint not null,                          -- how many it had; some may have come before
    new_rows bigint not null,
    from_at timestamptz,                           -- the oldest and the newest move of money in it
    until_at timestamptz,
    totals jsonb not null default '[]',            -- what its rows come to, by kind and currency
    taken_by text not null,
    taken_at timestamptz not null,
    unique (account, connection, id),
    unique (account, connection, processor_id),
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict
);

-- Signed from the merchant's side. `amount` is what was charged, in its currency; the rest is in that of the payout.
create table tollbridge.settlement_row (
    account text not null references tollbridge.account on delete restrict,
    connection text not null,
    row_id text not null,
    file text not null,
    kind text not null check (kind in ('capture', 'capture_reversed', 'capture_reinstated', 'refund', 'refund_failed',
        'dispute_withdrawn', 'dispute_returned', 'fee', 'adjustment', 'payout')),
    processor_id text not null default '',
    charge_id text not null default '',
    reference text not null default '',
    amount bigint not null,
    currency text not null check (currency ~ '^[a-z]{3}$'),
    settled bigint not null,
    fee bigint not null,
    net bigint not null check (net = settled - fee),
    settled_currency text not null check (settled_currency ~ '^[a-z]{3}$'),
    occurred_at timestamptz not null,
    taken_at timestamptz not null,
    primary key (account, connection, row_id),
    foreign key (account, connection, file) references tollbridge.settlement_file (account, connection, id)
        on delete restrict
);
create index settlement_row_key on tollbridge.settlement_row (account, connection, kind, processor_id);
create index settlement_row_unnamed on tollbridge.settlement_row (account, connection)
    where processor_id = reference and reference <> '';
create index settlement_row_taken on tollbridge.settlement_row (account, taken_at, row_id);

create table tollbridge.reconciliation (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    number integer not null check (number > 0),
    state text not null check (state in ('queued', 'running', 'finished', 'failed')),
    asked_by text not null,
    whole boolean not null,                        -- everything, not only what came since the last
    live boolean not null,                         -- what differs from Stripe is read there once more
    since_at timestamptz,                          -- what came from then on was compared; null: everything
    summary jsonb not null default '{}',
    error text not null default '',
    created_at timestamptz not null,
    began_at timestamptz,
    finished_at timestamptz,
    claim_until timestamptz,                       -- machine time: a holder that died lets go
    unique (account, id),
    unique (account, number),
    check ((state in ('finished', 'failed')) = (finished_at is not null)),
    check ((state = 'queued') = (began_at is null))
);
create unique index reconciliation_one on tollbridge.reconciliation (account) where state in ('queued', 'running');
create index reconciliation_listing on tollbridge.reconciliation (account, created_at desc, id);

-- A difference that was there in every run from `from_run` to the one before `to_run`. What is told of it never changes:
-- where that does, another row takes its place, as old as the first. So the report of any run can be given again.
create table tollbridge.reconciliation_break (
    id text primary key,
    account text not null references tollbridge.account on delete restrict,
    kind text not null check (kind in ('missing_in_ledger', 'missing_at_processor', 'amount_differs', 'currency_differs',
        'duplicate_at_processor', 'wrong_invoice', 'settlement_late', 'settlement_refused',
        'paid_at_stripe_without_money', 'money_without_stripe_record', 'surplus_not_returned',
        'credit_note_without_refund', 'refund_without_credit_note', 'returned_too_much', 'mirror_outdated')),
    subject text not null,
    connection text,
    invoice text not null default '',
    attempt text not null default '',
    movement text not null default '',
    settlement_row text not null default '',
    credit_notes text not null default '',         -- their ids, with blanks between
    processor_id text not null default '',
    amount bigint not null check (amount >= 0),
    currency text not null,
    ledger_amount bigint,
    other_amount bigint,
    reason text not null,
    repair text not null check (repair in ('look_up_charge', 'poke_invoice', 'read_credit_notes', 'fetch_settlements',
        'ask_human')),
    occurred_at timestamptz not null,
    first_seen_at timestamptz not null,
    from_run integer not null,
    seen_run integer not null,
    to_run integer,                                -- the first run that did not find it any more
    repair_asked_at timestamptz,                   -- somebody wants it mended; null once a worker has tried
    repaired_at timestamptz,                       -- the last repair, and what it came to
    repaired_by text not null default '',
    repair_outcome text not null default '',
    unique (account, id),
    foreign key (account, connection) references tollbridge.connection (account, id) on delete restrict,
    foreign key (account, from_run) references tollbridge.reconciliation (account, number) on delete restrict,
    check (to_run > from_run)
);
create unique index reconciliation_break_open on tollbridge.reconciliation_break (account, kind, subject)
    where to_run is null;
create index reconciliation_break_listing on tollbridge.reconciliation_break (account, first_seen_at desc, id);
create index reconciliation_break_asked on tollbridge.reconciliation_break (repair_asked_at)
    where repair_asked_at is not null;
create index reconciliation_break_connection on tollbridge.reconciliation_break (account, connection, id)
    where to_run is null;
