-- What the roles of roles.sql may do with the tables. Run by unenroll_owner after each `unenroll migrate`; safe to repeat.

-- run
grant select on alembic_version to unenroll_worker;
grant select, insert, update on accounts to unenroll_worker;
grant select, insert on dead_letters to unenroll_worker;
grant select, insert, update on definition_positions to unenroll_worker;
grant insert on definition_refusals to unenroll_worker;
grant select, update on erased_customers to unenroll_worker;
grant select, insert, update on lanes to unenroll_worker;
grant select, insert on ledger to unenroll_worker;
grant select on oldest_program to unenroll_worker;
grant select, insert on publications to unenroll_worker;
grant select, insert, update, delete on resettlements to unenroll_worker;
grant select, insert, update on target_groups to unenroll_worker;
grant select, insert on targets to unenroll_worker;

-- status, explain, verify, plan, dlq list, dlq show, offsets show
grant select on
    accounts, alembic_version, dead_letters, definition_refusals, enrollments, erased_counts, erased_customers,
    handled_letters, issuances, lanes, leaves, ledger, offset_changes, oldest_program, publications, redrives, replays,
    resettlements, rewards, target_groups, targets
    to unenroll_reader;

-- api: what its callers ask for, and nothing of it is decided here
grant select on
    accounts, alembic_version, dead_letters, erased_customers, lanes, ledger, oldest_program, publications, target_groups,
    targets
    to unenroll_api;
grant select, insert, update on api_requests to unenroll_api;

-- load, apply, replay, dlq redrive, dlq park, offsets set, prune: also what a reader may
grant insert, update on accounts, target_groups to unenroll_operator;
grant insert on targets to unenroll_operator;
grant insert, delete on ledger to unenroll_operator;
grant insert, update on lanes to unenroll_operator;
grant delete on dead_letters, publications to unenroll_operator;
grant insert, update on offset_changes, redrives, replays to unenroll_operator;
grant insert, update, delete on handled_letters to unenroll_operator;
grant select, delete on api_requests to unenroll_operator;
grant update on erased_customers to unenroll_operator;

-- erase: also what an operator may
grant delete on accounts, replays to unenroll_operator;
grant update on publications to unenroll_operator;
grant insert, delete on erased_customers, erased_batches, erased_counts to unenroll_operator;
grant select on erased_batches to unenroll_operator;
grant update on erased_counts to unenroll_operator;
