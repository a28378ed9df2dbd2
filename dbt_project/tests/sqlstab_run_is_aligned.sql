-- Before anything is written: the ids that hold the space in place agree with the reference.
{%- set minimum = var('sqlstab_min_cosine', 0.3) %}
{%- set mean = sqlstab.filled(sqlstab.dialect().as_text, ["CAST(after_mean AS DECIMAL(4, 3))"]) %}
SELECT *
FROM (
    {{ sqlstab.problem(
        "shared ids agree with the reference by a mean cosine below " ~ minimum ~ ", even when aligned: ", "n_compared",
        "Are these vectors of the same model, and do their ids mean the same? If the model has changed so much on purpose, start a new space with the var sqlstab_reference: none, or lower sqlstab_min_cosine.",
        figure="coalesce(" ~ mean ~ ", 'NULL')"
    ) | indent(4) }}
    FROM {{ sqlstab.own('run_quality') }} AS quality
    WHERE
        side IN ('{{ sqlstab.anchors() | join("', '") }}')
        AND run_id = {{ sqlstab.this_run() }}
        AND reference_run_id IS NOT NULL
        AND (after_mean IS NULL OR after_mean < {{ minimum }})
) AS problems
