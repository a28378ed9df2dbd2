-- Before anything is written: there is a transform of this run.
{{ sqlstab.problem(
    "runs have no transform", "count(*)",
    "With sqlstab_solver: external, run `sqlstab dbt solve` after the sums and before this, or all of it as `sqlstab dbt build`.",
    "max(run.run_id)"
) }}
FROM {{ sqlstab.own('run') }} AS run
WHERE run.run_id NOT IN (SELECT run_id FROM {{ sqlstab.own('transform') }})
HAVING count(*) > 0
