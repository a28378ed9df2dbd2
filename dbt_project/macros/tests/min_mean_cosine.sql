{#- The mean cosine of the same id in a model and in a reference is at least so large. An empty reference, as of a first
    run, is no failure; one that shares no id is. -#}
{%- test sqlstab_min_mean_cosine(model, reference, minimum=0.3, precision=0, side=none, id=none, vector=none, layout=none, type=none, dimension=none, filter=none, reference_filter=none) -%}
{%- set given = {"id": id, "vector": vector, "layout": layout, "type": type, "dimension": dimension} -%}
{%- set settings = dict(sqlstab.described(side, given), weight=none, anchor_filter=none) -%}
{{ sqlstab.problem(
    "ids of " ~ model.identifier ~ " agree with those of " ~ reference.identifier ~ " by a mean cosine below " ~ minimum, "n_rows",
    "Are both of the same model, do their ids mean the same, and are they in one space? If a change was wanted, lower the minimum.",
    "after_mean"
) }}
FROM (
    {{ sqlstab.cosines(
        sqlstab.table(model, side or "users", settings, filter),
        sqlstab.table(reference, side or "users", settings, reference_filter),
        settings["dimension"]
    ) | indent(4) }}
) AS cosines
WHERE
    after_mean < {{ minimum }} - {{ precision }}
    OR (after_mean IS NULL AND (SELECT count(*) FROM {{ reference }} AS t{{ " WHERE " ~ reference_filter if reference_filter }}) > 0)
{%- endtest -%}
