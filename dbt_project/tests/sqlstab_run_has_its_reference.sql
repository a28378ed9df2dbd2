-- Before anything is solved: the run that this one is to refer to is there, if any run is.
{{ sqlstab.problem(
    "rows of other runs are kept, but none of a run that this one can refer to", "count(*)",
    "Names of runs are compared as text, and the reference comes before: is sqlstab_run_id later than the runs before it, and is sqlstab_reference previous, first, or the name of a run that is still kept? For a new space, set it to none.",
    "max(kept.run_id)"
) }}
FROM {{ sqlstab.own('run') }} AS run
CROSS JOIN {{ sqlstab.own('reference_' ~ sqlstab.anchors()[0]) }} AS kept
WHERE
    run.reference_run_id IS NULL
    AND {{ "1 = 0" if var('sqlstab_reference', 'previous') == 'none' else "kept.run_id <> run.run_id" }}
HAVING count(*) > 0
