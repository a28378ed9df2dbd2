{#- For `sqlstab dbt solve`: put the matrices of a run into the table sqlstab_solved, in place of what is there of it.
      rows   [side, i, j, value] -#}
{%- macro keep_solved(run_id, rows) -%}
{%- if sqlstab.solver() != "external" -%}
{{ sqlstab.refuse("the var sqlstab_solver is " ~ sqlstab.solver() ~ "; it must be external for `sqlstab dbt`.") }}
{%- endif -%}
{%- set dialect = sqlstab.dialect() -%}
{%- set table = source("sqlstab", "sqlstab_solved") -%}
{%- do adapter.create_schema(table) -%}
{%- set create -%}
CREATE TABLE IF NOT EXISTS {{ table }} (
    run_id {{ dialect.text }},
    side {{ dialect.text }},
    i {{ dialect.integer }},
    j {{ dialect.integer }},
    value {{ dialect.double }},
    solved_at timestamp
){{ dialect.tables.storage }}{{ " PARTITIONED BY (run_id)" if target.type == "spark" }}
{%- endset -%}
{%- set statements = [create, adapter.dispatch("without_run", "sqlstab")(table, run_id)] -%}
{%- for batch in rows | batch(2000) -%}
{%- set insert -%}
INSERT INTO {{ table }} (run_id, side, i, j, value, solved_at) VALUES
{%- for row in batch %}
({{ sqlstab.text_literal(run_id) }}, '{{ row[0] }}', {{ row[1] }}, {{ row[2] }}, {{ row[3] }}, CURRENT_TIMESTAMP){{ "," if not loop.last }}
{%- endfor %}
{%- endset -%}
{%- do statements.append(insert) -%}
{%- endfor -%}
{%- if dialect.transactions -%}
{%- set statements = ["BEGIN"] + statements + ["COMMIT"] -%}
{%- endif -%}
{%- for statement in statements -%}
{%- do run_query(statement) -%}
{%- endfor -%}
{%- endmacro -%}

{%- macro default__without_run(relation, run_id) -%}
DELETE FROM {{ relation }} WHERE run_id = {{ sqlstab.text_literal(run_id) }}
{%- endmacro -%}

{#- Tables of Parquet files know no DELETE, but a run is a partition. -#}
{%- macro spark__without_run(relation, run_id) -%}
ALTER TABLE {{ relation }} DROP IF EXISTS PARTITION (run_id = {{ sqlstab.text_literal(run_id) }})
{%- endmacro -%}

{#- Delta tables do. -#}
{%- macro databricks__without_run(relation, run_id) -%}
{{ sqlstab.default__without_run(relation, run_id) }}
{%- endmacro -%}
