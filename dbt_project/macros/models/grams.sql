{#- The rows of sqlstab_gram: the Gram matrices of both sides; where a side has partitions, of those that are new or
    have changed. -#}
{%- macro gram_rows() -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set parts = [] -%}
{%- for side in ["users", "items"] -%}
{%- set settings = sqlstab.settings(side) -%}
{%- set relation = sqlstab.raw(side) -%}
{%- if settings["partition_by"] is none -%}
{%- do parts.append(sqlstab.labelled(sqlstab.gram(relation, side), "''", "''")) -%}
{%- else -%}
{%- for partition in sqlstab.changed_partitions(side) -%}
{%- set key = sqlstab.text_literal(partition[0]) -%}
{%- set filter = sqlstab.filled(dialect.as_text, ["t." ~ settings["partition_by"]]) ~ " = " ~ key -%}
{%- do parts.append(sqlstab.labelled(sqlstab.gram(relation, side, filter), key, sqlstab.text_literal(partition[1]))) -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- if parts -%}
{{ parts | join("\nUNION ALL\n") }}
{%- else -%}
-- No partition is new or has changed.
{{ sqlstab.labelled("SELECT 'users' AS side, 1 AS i, 1 AS j, 0 AS value, 0 AS n_rows", "''", "''") }}
WHERE 1 = 0
{%- endif -%}
{%- endmacro -%}

{%- macro labelled(statement, key, version) -%}
{%- set dialect = sqlstab.dialect() -%}
SELECT
    {{ sqlstab.filled(dialect.as_text, ["sums.side"]) }} AS side,
    {{ sqlstab.filled(dialect.as_text, [key]) }} AS partition_key,
    {{ sqlstab.filled(dialect.as_text, [version]) }} AS version,
    CAST(sums.i AS {{ dialect.integer }}) AS i,
    CAST(sums.j AS {{ dialect.integer }}) AS j,
    {{ sqlstab.filled(dialect.as_double, ["sums.value"]) }} AS value,
    CAST(sums.n_rows AS {{ dialect.bigint }}) AS n_rows
FROM (
    {{ statement | indent(4) }}
) AS sums
{%- endmacro -%}

{#- Keys and versions of the partitions whose Gram matrix is missing or out of date: of all, unless the model has been
    built before. Nothing is asked of the database but while building. -#}
{%- macro changed_partitions(side) -%}
{%- if not execute or flags.WHICH not in ["run", "build"] -%}
{{ return([]) }}
{%- endif -%}
{%- set settings = sqlstab.settings(side) -%}
{%- set t = sqlstab.table(sqlstab.raw(side), side, settings) -%}
{%- set version = settings["partition_version"] -%}
{%- set found = run_query(sqlstab.statement_partitions(
    dialect=sqlstab.dialect(), t=t, by="t." ~ settings["partition_by"], version="t." ~ version if version else none
)) -%}
{%- set known = [] -%}
{%- if is_incremental() -%}
{%- set stored -%}
SELECT DISTINCT
    partition_key,
    version,
    n_rows
FROM {{ this }}
WHERE side = '{{ side }}'
{%- endset -%}
{%- for row in run_query(stored) -%}
{%- do known.append(row[0] ~ "\n" ~ row[1] ~ "\n" ~ (row[2] | int)) -%}
{%- endfor -%}
{%- endif -%}
{%- set changed = [] -%}
{%- for row in found if row[0] ~ "\n" ~ row[1] ~ "\n" ~ (row[2] | int) not in known -%}
{%- do changed.append([row[0], row[1]]) -%}
{%- endfor -%}
{{ return(changed) }}
{%- endmacro -%}

{#- A statement that forgets partitions which are no more. Spark's tables of Parquet files know no DELETE. -#}
{%- macro forget_partitions(relation) -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set gone = [] -%}
{%- for side in ["users", "items"] if sqlstab.settings(side)["partition_by"] -%}
{%- set key = sqlstab.filled(dialect.as_text, ["t." ~ sqlstab.settings(side)["partition_by"]]) -%}
{%- do gone.append("(side = '" ~ side ~ "' AND partition_key NOT IN (SELECT DISTINCT " ~ key ~ " FROM " ~ sqlstab.raw(side) ~ " AS t))") -%}
{%- endfor -%}
{%- if gone and target.type != "spark" -%}
DELETE FROM {{ relation }}
WHERE {{ gone | join("\n    OR ") }}
{%- endif -%}
{%- endmacro -%}

{%- macro has_partitions() -%}
{{ return(sqlstab.settings("users")["partition_by"] is not none or sqlstab.settings("items")["partition_by"] is not none) }}
{%- endmacro -%}

{#- The rows of sqlstab_cross_gram: none without a reference. Components that the reference lacks are zero. -#}
{%- macro cross_gram_rows() -%}
{%- set dialect = sqlstab.dialect() -%}
{%- for side in sqlstab.anchors() %}
SELECT
    {{ sqlstab.filled(dialect.as_text, ["sums.side"]) }} AS side,
    CAST(sums.i AS {{ dialect.integer }}) AS i,
    CAST(sums.j AS {{ dialect.integer }}) AS j,
    {{ sqlstab.filled(dialect.as_double, ["coalesce(sums.value, 0)"]) }} AS value,
    CAST(sums.n_rows AS {{ dialect.bigint }}) AS n_rows
FROM (
    {{ sqlstab.cross_gram(
        sqlstab.raw(side),
        sqlstab.own("reference_" ~ side),
        side,
        reference_filter="t.run_id = " ~ sqlstab.reference_run()
    ) | indent(4) }}
) AS sums
WHERE sums.n_rows > 0
{%- if not loop.last %}
UNION ALL
{%- endif %}
{%- endfor %}
{%- endmacro -%}
