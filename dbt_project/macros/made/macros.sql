{#- Made from sql/macros.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- The rows of a table with their vectors.
      size      components of a vector
      element   float or double; only arrays come as float
      anchor    only the rows that may align, with their weight -#}
{%- macro part_vectors(t, dialect, size, element="double", anchor=false, weight=false, keep=false) -%}
{%- set weighted = (anchor or weight) and t.weight -%}
{%- if t.only_valid -%}
{{ sqlstab.part_valid(t, dialect, element, anchor, weighted, keep) }}
{%- elif dialect.style == "arrays" -%}
{{ sqlstab.part_arrays(t, dialect, element, anchor, weighted, keep, dense=dialect.typed_nulls) }}
{%- else -%}
{{ sqlstab.part_components(t, dialect, size, anchor, weighted, keep) }}
{%- endif -%}
{%- endmacro -%}

{#- Vectors as arrays; with `dense` of a type that has no NULL. -#}
{%- macro part_arrays(t, dialect, element, anchor=false, weighted=false, keep=false, dense=false) -%}
{%- set as_dense = dialect.dense if dense else "{0}" -%}
SELECT
    {{ t.id }} AS id,
    {%- if t.layout == "long" %}
    -- {{ "Empty" if dialect.no_array else "NULL" }} where a dimension is missing or stands twice.
    CASE
        WHEN {{ sqlstab.part_complete(t, dialect) | indent(12) }}
        THEN {{ sqlstab.filled(as_dense, [sqlstab.filled(dialect.collect, [sqlstab.filled((dialect.as_real if element == "float" else dialect.as_double), [t.vector]), t.dimension])]) }}
        {%- if dialect.no_array %}
        ELSE {{ dialect.no_array }}
        {%- endif %}
    END AS x
    {%- elif element == t.element == "float" %}
    {{ sqlstab.filled(as_dense, [sqlstab.filled(dialect.stored_reals, [t.vector])]) }} AS x
    {%- else %}
    {{ sqlstab.filled(as_dense, [sqlstab.filled(dialect.as_doubles, [t.vector])]) }} AS x
    {%- endif %}
    {{- sqlstab.part_further(t, dialect, weighted, keep) }}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect, anchor) }}
{{- sqlstab.part_by_id(t) }}
{%- endmacro -%}

{#- Vectors as columns; with `complete_only` only those that have all components.
      parts   one or two ranges of the components that are wanted; all of them by default -#}
{%- macro part_components(t, dialect, size, anchor=false, weighted=false, keep=false, complete_only=false, parts=none) -%}
{%- set parts = (parts or [range(1, size + 1)]) | unique | list -%}
{%- if t.layout == "wide" -%}
SELECT
    {{ t.id }} AS id
    {%- for part in parts %}{% for k in part %},
    {{ sqlstab.filled(dialect.as_double, [t.columns[k - 1]]) }} AS x{{ k }}
    {%- endfor %}{% endfor %}
    {{- sqlstab.part_further(t, dialect, weighted, keep) }}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect, anchor) }}
{{- sqlstab.part_fenced(dialect) }}
{%- elif t.layout == "long" and not dialect.collect -%}
SELECT
    {{ t.id }} AS id
    {%- for part in parts %}{% for k in part %},
    max(CASE WHEN {{ t.dimension }} = {{ t.first + k - 1 }} THEN {{ sqlstab.filled(dialect.as_double, [t.vector]) }} END) AS x{{ k }}
    {%- endfor %}{% endfor %}
    {{- sqlstab.part_further(t, dialect, weighted, keep) }}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect, anchor) }}
{{- sqlstab.part_by_id(t) }}
{%- if complete_only %}
HAVING
    {{ sqlstab.part_complete(t, dialect) | indent(4) }}
    AND count(*) = {{ size }}
{%- endif %}
{%- else -%}
SELECT
    id
    {%- for part in parts %}
    {%- set name = "x" ~ (loop.index if dialect.stored_slice and parts | length > 1) %}
    {%- for k in part %},
    {{ sqlstab.filled(dialect.as_double, [sqlstab.filled(dialect.element, [name, loop.index if dialect.stored_slice else k])]) }} AS x{{ k }}
    {%- endfor %}
    {%- endfor %}
    {{- sqlstab.part_carried(t, weighted, keep) }}
FROM (
    {%- set query = sqlstab.part_arrays(t, dialect, t.element, anchor, weighted, keep) %}
    {{ (sqlstab.part_sliced(dialect, query, parts, sqlstab.part_carried(t, weighted, keep), complete_only and size) if dialect.stored_slice else query) | indent(4) }}
) AS v
{%- if complete_only and not dialect.stored_slice %}
WHERE {{ sqlstab.filled(dialect.length, ["x"]) }} = {{ size }}
{%- endif %}
{{- sqlstab.part_fenced(dialect) }}
{%- endif -%}
{%- endmacro -%}

{#- Parts of the vectors x of a query, those of so many components (`size`) alone if asked: made once, while
    each element that is read would read, or cast, the whole array again. -#}
{%- macro part_sliced(dialect, query, parts, others, size) -%}
SELECT
    id
    {%- for part in parts %},
    {{ sqlstab.filled(dialect.stored_slice, ["x", part[0], part[-1]]) }} AS x{{ loop.index if parts | length > 1 }}
    {%- endfor %}
    {{- others }}
FROM (
    {{ query | indent(4) }}
) AS whole
{%- if size %}
WHERE {{ sqlstab.filled(dialect.length, ["x"]) }} = {{ size }}
{%- endif %}
{{- sqlstab.part_fenced(dialect) }}
{%- endmacro -%}

{#- The rows that nothing is wrong with. Some engines take x in WHERE for the x of SELECT: hence r.x. -#}
{%- macro part_valid(t, dialect, element, anchor, weighted, keep) -%}
{%- if dialect.style == "arrays" -%}
SELECT
    id,
    -- No row here has a NULL component, but the engine minds those of rows left out, or the type.
    {{ sqlstab.filled(dialect.dense, ["r.x"]) }} AS x
    {{- sqlstab.part_carried(t, weighted, keep) }}
FROM (
    {{ sqlstab.part_arrays(t, dialect, element, anchor, weighted, keep) | indent(4) }}
) AS r
WHERE
    id IS NOT NULL
    AND {{ sqlstab.filled(dialect.length, ["r.x"]) }} = {{ t.only_valid }}
    AND NOT ({{ sqlstab.filled(dialect.has_null, ["r.x"]) }})
    AND {{ sqlstab.part_finite(t, dialect, "r.x", t.only_valid) }}
{%- else -%}
SELECT *
FROM (
    {{ sqlstab.part_components(t, dialect, t.only_valid, anchor, weighted, keep, complete_only=true) | indent(4) }}
) AS r
WHERE
    id IS NOT NULL
    AND {{ sqlstab.part_finite(t, dialect, "r.x", t.only_valid) }}
{%- endif %}
    AND id NOT IN (
        {{ sqlstab.part_duplicate_ids(t, dialect) | indent(8) }}
    )
{%- endmacro -%}

{#- Whether all components are there and finite; of columns, a NULL makes it NULL. x - x is NaN where x is
    not finite. -#}
{%- macro part_finite(t, dialect, x, size) -%}
{%- if dialect.style == "components" -%}
{%- for k in range(1, size + 1) %}({{ x }}{{ k }} - {{ x }}{{ k }}){{ " + " if not loop.last }}{% endfor %} = 0
{%- elif t.element == "float" and dialect.is_finite_single -%}
{{ sqlstab.filled(dialect.is_finite_single, [x]) }}
{%- else -%}
{{ sqlstab.filled(dialect.is_finite, [x]) }}
{%- endif -%}
{%- endmacro -%}

{#- Whether some component is NULL. -#}
{%- macro part_has_null(dialect, x, size) -%}
{%- if dialect.style == "components" -%}
{%- for k in range(1, size + 1) %}{{ x }}{{ k }} IS NULL{{ " OR " if not loop.last }}{% endfor %}
{%- else -%}
{{ sqlstab.filled(dialect.has_null, [x]) }}
{%- endif -%}
{%- endmacro -%}

{#- Whether all components are zero: looked at where the first one is. -#}
{%- macro part_is_zero(dialect, x, size) -%}
{%- if dialect.style == "components" -%}
{%- for k in range(1, size + 1) %}{{ x }}{{ k }} = 0{{ " AND " if not loop.last }}{% endfor %}
{%- else -%}
{{ sqlstab.filled(dialect.element, [x, 1]) }} = 0 AND {{ sqlstab.filled(dialect.largest, [sqlstab.filled(dialect.transform, [x, "v", "abs(v)"])]) }} = 0
{%- endif -%}
{%- endmacro -%}

{#- In the long layout: whether the rows of an id are those of one vector. -#}
{%- macro part_complete(t, dialect) -%}
{{ sqlstab.filled(dialect.distinct, [t.dimension]) }} = count(*)
AND max({{ t.dimension }}) - min({{ t.dimension }}) + 1 = count(*)
AND min({{ t.dimension }}) = {{ t.first }}
{%- endmacro -%}

{#- The weight, the columns of an id that has several, id1, id2, ..., and the columns to keep: from the table
    itself, and from a subquery on it. -#}
{%- macro part_further(t, dialect, weighted, keep) -%}
{%- if weighted %},
    {{ sqlstab.filled(dialect.as_double, [sqlstab.part_weight_of(t)]) }} AS w
{%- endif -%}
{%- for column in t.parts if keep %},
    {{ column }} AS id{{ loop.index }}
{%- endfor -%}
{%- for column in t.keep if keep %},
    {{ column }} AS k{{ loop.index }}
{%- endfor -%}
{%- endmacro -%}

{%- macro part_carried(t, weighted, keep) -%}
{%- if weighted %},
    w
{%- endif -%}
{%- for column in t.parts if keep %},
    id{{ loop.index }}
{%- endfor -%}
{%- for column in t.keep if keep %},
    k{{ loop.index }}
{%- endfor -%}
{%- endmacro -%}

{#- The ids of the rows that take part. On request: of those that may align (anchor), and w (weight). -#}
{%- macro part_ids(t, dialect, anchor=false, weight=false) -%}
{%- set weighted = weight and t.weight -%}
{%- if t.only_valid -%}
SELECT id{{ ", w" if weighted }}
FROM (
    {{ sqlstab.part_vectors(t, dialect, t.only_valid, anchor=anchor, weight=weight) | indent(4) }}
) AS v
{%- else -%}
SELECT
    {{ t.id }} AS id
    {{- sqlstab.part_further(t, dialect, weighted, false) }}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect, anchor) }}
{{- sqlstab.part_by_id(t) }}
{%- endif %}
{%- endmacro -%}

{%- macro part_by_id(t) -%}
{%- if t.layout == "long" %}
GROUP BY {{ t.parts | join(", ") or t.id }}
{%- endif -%}
{%- endmacro -%}

{%- macro part_fenced(dialect) -%}
{%- if dialect.fence %}
{{ dialect.fence }}
{%- endif -%}
{%- endmacro -%}

{%- macro part_where(t, dialect, anchor=false) -%}
{%- set conditions = [t.filter, t.anchor_filter if anchor, sqlstab.part_sampled(t, dialect)] | select | list -%}
{%- if conditions %}
WHERE
    ({{ conditions | join(")\n    AND (") }})
{%- endif -%}
{%- endmacro -%}

{#- A share of the rows, by a hash of the id: the same rows on every engine. -#}
{%- macro part_sampled(t, dialect) -%}
{%- if t.below -%}
{{ sqlstab.filled(dialect.digest, [t.id_text]) }} < '{{ t.below }}'
{%- endif -%}
{%- endmacro -%}

{#- In the long layout a weight stands in all rows of an id: NULL unless it is the same in each. -#}
{%- macro part_weight_of(t) -%}
{%- if t.layout == "long" -%}
CASE WHEN count({{ t.weight }}) = count(*) AND min({{ t.weight }}) = max({{ t.weight }}) THEN min({{ t.weight }}) END
{%- else -%}
{{ t.weight }}
{%- endif -%}
{%- endmacro -%}

{#- In the long layout an id has many rows by nature; a dimension that stands twice is caught above. -#}
{%- macro part_duplicate_ids(t, dialect) -%}
SELECT id
FROM (
    SELECT {% if t.layout == "long" %}DISTINCT {% endif %}{{ t.id }} AS id
    FROM {{ t.relation }} AS t
    {{- sqlstab.part_where(t, dialect) | indent(4) }}
) AS d
WHERE id IS NOT NULL
GROUP BY id
HAVING count(*) > 1
{%- endmacro -%}

{#- How many components the vector of each row has; NULL where there is none. -#}
{%- macro part_lengths(t, dialect) -%}
SELECT
    {{ t.id }} AS id,
    {%- if t.layout == "long" %}
    CASE
        WHEN {{ sqlstab.part_complete(t, dialect) | indent(12) }}
        THEN count(*)
    END AS n
    {%- else %}
    {{ sqlstab.filled(dialect.length, [t.vector]) }} AS n
    {%- endif %}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect) }}
{{- sqlstab.part_by_id(t) }}
{%- endmacro -%}

{#- The rows of a table as columns (id, x1, x2, ...) of doubles, after a matrix or a normalization if any; at
    least the components of these parts. With `constant` a last component that is 1, by which sums of products
    hold the sums of the components too. -#}
{%- macro part_as_columns(t, dialect, size, matrix=none, unit_rows=false, anchor=false, parts=[], constant=false) -%}
{%- set query = sqlstab.part_plain_columns(t, dialect, size, matrix, unit_rows, anchor, parts) -%}
{%- if constant -%}
SELECT
    c.*,
    1E0 AS x{{ size + 1 }}
FROM (
    {{ query | indent(4) }}
) AS c
{%- else -%}
{{ query }}
{%- endif -%}
{%- endmacro -%}

{#- These parts of a vector without the constant; at least one component. -#}
{%- macro part_plain_columns(t, dialect, size, matrix, unit_rows, anchor, parts) -%}
{%- set direct = t.layout == "wide" and not t.only_valid and not matrix and not unit_rows -%}
{%- if dialect.style == "components" or direct -%}
{%- if matrix or unit_rows -%}
{{ sqlstab.part_transformed(t, dialect, size, matrix, unit_rows, anchor) }}
{%- elif t.only_valid -%}
{{ sqlstab.part_vectors(t, dialect, size, anchor=anchor) }}
{%- else -%}
{{ sqlstab.part_components(t, dialect, size, anchor, anchor and t.weight, parts=parts) }}
{%- endif -%}
{%- else -%}
SELECT
    id
    {%- for part in parts | unique %}{% for k in part %},
    {{ sqlstab.filled(dialect.as_double, [sqlstab.filled(dialect.element, ["x", k])]) }} AS x{{ k }}
    {%- endfor %}{% endfor %}
    {{- sqlstab.part_carried(t, anchor and t.weight, false) }}
FROM (
    {{ sqlstab.part_transformed(t, dialect, size, matrix, unit_rows, anchor) | indent(4) }}
) AS v
{%- endif -%}
{%- endmacro -%}

{#- The rows of a table, times a matrix and then made unit vectors, if asked; with `constant` their arrays end
    with a 1. -#}
{%- macro part_transformed(t, dialect, size, matrix=none, unit_rows=false, anchor=false, keep=false, element=none, constant=false) -%}
{%- set others = sqlstab.part_carried(t, anchor and t.weight, keep) -%}
{%- if matrix -%}
{%- set plain = sqlstab.part_vectors(t, dialect, matrix[0] | length, anchor=anchor, keep=keep) -%}
{%- set query = sqlstab.part_multiplied(dialect, plain, matrix, others) -%}
{%- else -%}
{%- set query = sqlstab.part_vectors(t, dialect, size, "double" if unit_rows or constant else element or t.element, anchor, keep=keep) -%}
{%- endif -%}
{%- if unit_rows -%}
{%- set query = sqlstab.part_unit(dialect, query, size, others) -%}
{%- endif -%}
{%- if constant -%}
SELECT
    id,
    {{ sqlstab.filled(dialect.concat, ["c.x", sqlstab.filled(dialect.array, ["1E0"])]) }} AS x
    {{- others }}
FROM (
    {{ query | indent(4) }}
) AS c
{%- else -%}
{{ query }}
{%- endif -%}
{%- endmacro -%}

{#- Which of two halves an id is in, by a hash: the same on every engine. -#}
{%- macro part_half_of(dialect, id) -%}
CASE WHEN SUBSTR({{ sqlstab.filled(dialect.digest, [sqlstab.filled(dialect.as_text, [id])]) }}, 9, 1) < '8' THEN 0 ELSE 1 END
{%- endmacro -%}

{#- The rows of a query times a matrix, given as its columns: literals, or for arrays a scalar subquery. -#}
{%- macro part_multiplied(dialect, query, matrix, others="") -%}
{%- set named = matrix is string and dialect.subquery_column -%}
SELECT
    id,
    {%- if dialect.style == "arrays" %}
    {{ sqlstab.part_times(dialect, "x", "matrix" if named else matrix) | indent(4) }} AS x
    {%- else %}
    {%- for column in matrix %}
    {{ sqlstab.part_combination("m.x", column) }} AS x{{ loop.index }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
    {{- others }}
FROM (
    {%- if named %}
    SELECT
        q.*,
        {{ matrix | indent(8) }} AS matrix
    FROM (
        {{ sqlstab.part_once(dialect, query, ["x"], others) | indent(8) }}
    ) AS q
    {%- else %}
    {{ sqlstab.part_once(dialect, query, ["x"], others) | indent(4) }}
    {%- endif %}
) AS m
{{- sqlstab.part_fenced(dialect) }}
{%- endmacro -%}

{#- The same rows, with columns that several expressions or a lambda use computed once for each row. -#}
{%- macro part_once(dialect, query, names, others="", id=true) -%}
{%- if dialect.pin -%}
SELECT
    {%- if id %}
    id,
    {%- endif %}
    {%- for name in names %}
    pinned.{{ name }} AS {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    {{- others }}
FROM (
    {{ query | indent(4) }}
) AS p
{{ sqlstab.filled(dialect.pin, ["p." ~ names | join(", p."), names | join(", ")]) }}
{%- else -%}
{{ query }}
{%- endif -%}
{%- endmacro -%}

{#- Rows of length one in place of the rows of a query; a zero row stays as it is. Each is divided by its largest
    component first: beyond 1E154 or below 1E-154 its square is no number. -#}
{%- macro part_unit(dialect, query, size, others="") -%}
{%- set scaled = sqlstab.part_divided(dialect, query, sqlstab.part_largest(dialect, "q.x", size), size, others) -%}
{{ sqlstab.part_divided(dialect, scaled, "sqrt(" ~ sqlstab.part_dot(dialect, "q.x", "q.x", size) ~ ")", size, others) }}
{%- endmacro -%}

{#- The rows q of a query, each divided by a number, unless that is zero. -#}
{%- macro part_divided(dialect, query, number, size, others="") -%}
{%- set measured -%}
SELECT
    q.*,
    coalesce(nullif({{ number }}, 0), 1) AS divisor
FROM (
    {{ sqlstab.part_once(dialect, query, ["x"], others) | indent(4) }}
) AS q
{{- sqlstab.part_fenced(dialect) }}
{%- endset -%}
SELECT
    id,
    {%- if dialect.style == "arrays" %}
    {{ sqlstab.filled(dialect.scaled, ["x", "divisor"]) }} AS x
    {%- else %}
    {%- for k in range(1, size + 1) %}
    x{{ k }} / divisor AS x{{ k }}{{ "," if not loop.last }}
    {%- endfor %}
    {%- endif %}
    {{- others }}
FROM (
    {{ sqlstab.part_once(dialect, measured, ["x", "divisor"], others) | indent(4) }}
) AS n
{{- sqlstab.part_fenced(dialect) }}
{%- endmacro -%}

{#- The rows of a query with their vectors as arrays, whatever the dialect multiplies. -#}
{%- macro part_packed(dialect, query, size, others="") -%}
{%- if dialect.style == "arrays" -%}
{{ query }}
{%- else -%}
{%- set parts -%}
{%- for k in range(1, size + 1) %}x{{ k }}{{ ", " if not loop.last }}{% endfor -%}
{%- endset -%}
SELECT
    id,
    {{ sqlstab.filled(dialect.array, [parts]) }} AS x
    {{- others }}
FROM (
    {{ query | indent(4) }}
) AS products
{%- endif -%}
{%- endmacro -%}

{#- Dot product of two vectors, named without the number of the component. -#}
{%- macro part_dot(dialect, a, b, size) -%}
{%- if dialect.style == "arrays" -%}
{{ sqlstab.filled(dialect.dot, [a, b]) }}
{%- else -%}
{%- for k in range(1, size + 1) %}{{ a }}{{ k }} * {{ b }}{{ k }}{{ " + " if not loop.last }}{% endfor -%}
{%- endif -%}
{%- endmacro -%}

{#- The size of a vector's largest component. -#}
{%- macro part_largest(dialect, x, size) -%}
{%- if dialect.style == "arrays" -%}
{{ sqlstab.filled(dialect.largest, [sqlstab.filled(dialect.transform, [x, "v", "abs(v)"])]) }}
{%- elif size == 1 -%}
abs({{ x }}1)
{%- else -%}
greatest({% for k in range(1, size + 1) %}abs({{ x }}{{ k }}){{ ", " if not loop.last }}{% endfor %})
{%- endif -%}
{%- endmacro -%}

{#- Dot product of a vector's columns and literals. -#}
{%- macro part_combination(x, column) -%}
{%- for value in column %}{{ x }}{{ loop.index }} * {{ value }}{{ " + " if not loop.last }}{% endfor -%}
{%- endmacro -%}

{#- A row vector, an array, times a matrix: its dot product with each of the matrix's columns. The matrix is
    literals, or one scalar subquery. -#}
{%- macro part_times(dialect, x, matrix) -%}
{{ sqlstab.filled(dialect.times, [x, sqlstab.part_literal(dialect, matrix) if matrix is not string else matrix]) }}
{%- endmacro -%}

{%- macro part_literal(dialect, columns) -%}
{%- set rows -%}
{%- for column in columns %}
    {{ sqlstab.filled(("[{0}]" if dialect.json_matrix else dialect.array), [column | join(", ")]) }}{{ "," if not loop.last }}
{%- endfor %}
{% endset -%}
{%- if dialect.json_matrix -%}
{{ sqlstab.filled(dialect.json_matrix, ["[" ~ rows ~ "]"]) }}
{%- else -%}
{{ sqlstab.filled(dialect.array, [rows]) }}
{%- endif -%}
{%- endmacro -%}

{#- A matrix in a table (side, i, j, value), as its columns in one scalar subquery. -#}
{%- macro part_matrix_columns(m, dialect) -%}
(
    SELECT {{ sqlstab.filled(dialect.collect, ["c", "j"]) }}
    FROM (
        SELECT
            j,
            {{ sqlstab.filled(dialect.collect, ["value", "i"]) }} AS c
        FROM {{ m.relation }}
        WHERE {{ m.condition }}
        GROUP BY j
    ) AS matrix_columns
)
{%- endmacro -%}

{#- A row (id, i, value) for each component, and the weight; with `named` the columns of an id that has several. -#}
{%- macro part_long_rows(t, dialect, size, anchor=false, named=false) -%}
{%- set weighted = anchor and t.weight -%}
{%- if t.layout == "long" -%}
SELECT
    {{ t.id }} AS id,
    {{ t.dimension }} - {{ t.first - 1 }} AS i,
    {{ sqlstab.filled(dialect.as_double, [t.vector]) }} AS value
    {%- if weighted %},
    {{ sqlstab.filled(dialect.as_double, [t.weight]) }} AS w
    {%- endif %}
    {{- sqlstab.part_further(t, dialect, false, named) }}
FROM {{ t.relation }} AS t
{{- sqlstab.part_where(t, dialect, anchor) }}
{%- if t.only_valid %}
{{ "AND" if t.filter or t.below or (anchor and t.anchor_filter) else "WHERE" }} {{ t.id }} IN (
    {{ sqlstab.part_ids(t, dialect, anchor) | indent(4) }}
)
{%- endif %}
{%- else -%}
SELECT
    r.id AS id,
    {{ sqlstab.filled(dialect.unnest[1], ["r.x", size]) }} + 1 AS i,
    {{ sqlstab.filled(dialect.unnest[2], ["r.x", size]) }} AS value
    {%- if weighted %},
    r.w AS w
    {%- endif %}
    {{- sqlstab.part_parts_of("r", t, named) }}
FROM (
    {{ sqlstab.part_arrays(t, dialect, t.element, anchor, weighted, keep=named and t.parts) | indent(4) }}
) AS r
{%- if dialect.unnest[0] %}
{{ sqlstab.filled(dialect.unnest[0], ["r.x", size]) }}
{%- endif %}
{%- if t.only_valid %}
WHERE r.id IN (
    {{ sqlstab.part_ids(t, dialect, anchor) | indent(4) }}
)
{%- endif %}
{%- endif -%}
{%- endmacro -%}

{#- The columns of an id that has several, from a subquery of this name. -#}
{%- macro part_parts_of(name, t, named) -%}
{%- for column in t.parts if named %},
    {{ name }}.id{{ loop.index }} AS id{{ loop.index }}
{%- endfor -%}
{%- endmacro -%}

{#- Rows (id, i, value) times a matrix in a table, as (id, j, value), and the weight. -#}
{%- macro part_joined(t, rows, dialect, m, weighted=false, named=false) -%}
SELECT
    r.id AS id,
    m.j AS j,
    sum({{ sqlstab.filled(dialect.as_double, ["r.value"]) }} * m.value) AS value
    {%- if weighted %},
    max(r.w) AS w
    {%- endif %}
    {{- sqlstab.part_parts_of("r", t, named) }}
FROM (
    {{ rows | indent(4) }}
) AS r
JOIN (
    SELECT
        i,
        j,
        value
    FROM {{ m.relation }}
    WHERE {{ m.condition }}
) AS m ON m.i = r.i
GROUP BY
    r.id,
    m.j
    {%- for column in t.parts if named %},
    r.id{{ loop.index }}
    {%- endfor %}
{%- endmacro -%}

{#- The rows of a table times matrices in tables, one after the other. -#}
{%- macro part_all_joined(t, dialect, matrices, anchor=false, named=false) -%}
{%- set query = sqlstab.part_joined(t, sqlstab.part_long_rows(t, dialect, matrices[0].rows, anchor, named), dialect, matrices[0], anchor and t.weight, named) -%}
{%- if matrices | length == 1 -%}
{{ query }}
{%- else -%}
{%- set rows -%}
SELECT
    id,
    j AS i,
    value
    {{- sqlstab.part_parts_of("p", t, named) }}
FROM (
    {{ query | indent(4) }}
) AS p
{%- endset -%}
{{ sqlstab.part_joined(t, rows, dialect, matrices[1], named=named) }}
{%- endif -%}
{%- endmacro -%}
