{#- On the stable users: scores with the stable items are those of the raw vectors, for all pairs of some rows. -#}
{%- test sqlstab_scores_preserved(model, items=none, raw_users=none, raw_items=none, precision=1e-6, rows=300) -%}
{%- set stable_items = items or sqlstab.theirs(sqlstab.stable_model("items")) -%}
{%- set raw = {"users": raw_users or sqlstab.raw("users"), "items": raw_items or sqlstab.raw("items")} -%}
SELECT *
FROM (
    {{ sqlstab.problem(
        "of the raw scores, as percentage that the largest error of a stable score is of it", "100 * largest_error / nullif(largest, 0)",
        "Stable users and stable items must be of the same run: build both, and neither with vectors that have changed since.",
        "largest_error"
    ) | indent(4) }}
    FROM (
        {{ sqlstab.statement_scores(
            dialect=sqlstab.dialect(), rows=rows,
            users=sqlstab.table(raw["users"], "users", sqlstab.settings("users")),
            items=sqlstab.table(raw["items"], "items", sqlstab.settings("items")),
            stable_users=sqlstab.table(model, "users", sqlstab.stable_settings("users")),
            stable_items=sqlstab.table(stable_items, "items", sqlstab.stable_settings("items")),
            dimension=sqlstab.dimension(), stable_dimension=sqlstab.stable_dimension()
        ) | indent(8) }}
    ) AS scores
    WHERE n_pairs = 0 OR NOT (largest_error <= largest * {{ precision }})
) AS problems
{%- endtest -%}
