-- Before anything is solved: with a reference there are enough shared ids to find its axes.
{{ sqlstab.problem(
    "ids are shared with the reference run, fewer than there are dimensions", "coalesce(max(shared.n_rows), 0)",
    "Do the ids still mean the same, and does an anchor_filter let enough of them through? For a new space, set the var sqlstab_reference to none.",
    "max(run.reference_run_id)"
) }}
FROM {{ sqlstab.own('run') }} AS run
LEFT JOIN {{ sqlstab.own('cross_gram') }} AS shared ON shared.i = 1 AND shared.j = 1
HAVING
    max(run.reference_run_id) IS NOT NULL
    AND coalesce(max(shared.n_rows), 0) < {{ sqlstab.dimension() }}
