-- Before anything is written: the ids that hold the space in place agree with the reference.
{%- set minimum = var('sqlstab_min_cosine', 0.3) %}
SELECT *
FROM (
    {{ sqlstab.problem(
        "shared ids hardly agree with the reference, even when aligned (mean cosine below " ~ minimum ~ ")", "n_compared",
        "Are these vectors of the same model, and do their ids mean the same? The stable tables are as they were. If the model has changed so much on purpose, start a new space with the var sqlstab_reference: none, or lower sqlstab_min_cosine.",
        "'a mean cosine of ' || " ~ sqlstab.filled(sqlstab.dialect().as_text, ["after_mean"])
    ) | indent(4) }}
    FROM {{ sqlstab.own('run_quality') }} AS quality
    WHERE
        side IN ('{{ sqlstab.anchors() | join("', '") }}')
        AND run_id = {{ sqlstab.this_run() }}
        AND reference_run_id IS NOT NULL
        AND (after_mean IS NULL OR after_mean < {{ minimum }})
) AS problems
