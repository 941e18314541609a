-- Something was decided on the account since the request was planned.
alter type outcome add value 'PLAN_STALE' before 'NOT_ENROLLED';
