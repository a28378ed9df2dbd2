{#- Made from sql/sums.sql.jinja by `make dbt-macros`: change that, not this. -#}

{#- Rows (side, i, j, value, n_rows) from a query of arrays `sums` with their n_rows.
      width        columns of a part, whose entries follow each other row by row
      row, column  where a part begins in the matrix
      length       entries of a part
      keys         columns of the query that width, row and column are made of
      condition    which entries to keep
      halved       whether there is one matrix for each half of the ids -#}
{%- macro part_sums_entries(t, dialect, query, width, row, column, length=none, keys=[], condition="", halved=false) -%}
SELECT
    '{{ t.side }}' AS side,
    {%- if halved %}
    half,
    {%- endif %}
    i,
    j,
    value,
    n_rows
FROM (
    SELECT
        {%- if halved %}
        half,
        {%- endif %}
        {{ row }} + {{ sqlstab.filled(dialect.divide, ["k", width]) }} AS i,
        {{ column }} + {{ sqlstab.filled(dialect.remainder, ["k", width]) }} AS j,
        value,
        n_rows
    FROM (
        SELECT
            {%- for key in (["half"] if halved else []) + keys %}
            {{ key }},
            {%- endfor %}
            n_rows,
            {{ sqlstab.filled(dialect.unnest[1], ["g.sums", length]) }} AS k,
            {{ sqlstab.filled(dialect.unnest[2], ["g.sums", length]) }} AS value
        FROM (
            {{ query | indent(12) }}
        ) AS g
        {%- if dialect.unnest[0] %}
        {{ sqlstab.filled(dialect.unnest[0], ["g.sums", length]) }}
        {%- endif %}
    ) AS entries
) AS gram
{%- if condition %}
WHERE {{ condition }}
{%- endif %}
ORDER BY
    {%- if halved %}
    half,
    {%- endif %}
    i,
    j
{%- endmacro -%}

{#- Sums of products of the columns x... and y... of a query that follows; row by row of the matrix. -#}
{%- macro part_sums_pairs(dialect, rows, columns, x="x", y="x", weight="", triangular=false, half="") -%}
{%- set sums -%}
{%- for i in rows %}
        {% for j in columns -%}
        {%- if triangular and j < i %}0E0{% else %}sum({{ weight }}{{ x }}{{ i }} * {{ y }}{{ j }}){% endif -%}
        {{- ", " if not loop.last }}
        {%- endfor -%}
        {{- "," if not loop.last }}
{%- endfor %}
    {% endset -%}
SELECT
    {%- if half %}
    {{ half }} AS half,
    {%- endif %}
    count(*) AS n_rows,
    {{ sqlstab.filled(dialect.array, [sums]) }} AS sums
{%- endmacro -%}

{#- Sums of products by blocks of b x b that begin at (p, q); x and y are arrays of a query (x, y, w, half). -#}
{%- macro part_sums_blocks(dialect, query, b, steps, y="x", weighted=false, halved=false) -%}
{%- set sums -%}
{%- for i in range(1, b + 1) %}
        {% for j in range(1, b + 1) -%}
        sum({{ "w * " if weighted }}a{{ i }} * b{{ j }}){{ ", " if not loop.last }}
        {%- endfor -%}
        {{- "," if not loop.last }}
{%- endfor %}
    {% endset -%}
SELECT
    {%- if halved %}
    half,
    {%- endif %}
    p,
    q,
    count(*) AS n_rows,
    {{ sqlstab.filled(dialect.array, [sums]) }} AS sums
FROM (
    SELECT
        {%- if halved %}
        half,
        {%- endif %}
        p,
        q,
        {%- for k in range(b) %}
        {{ sqlstab.filled(dialect.element, ["x", "p + " ~ k if k else "p"]) }} AS a{{ k + 1 }},
        {%- endfor %}
        {%- for k in range(b) %}
        {{ sqlstab.filled(dialect.element, [y, "q + " ~ k if k else "q"]) }} AS b{{ k + 1 }}{{ "," if not loop.last or weighted }}
        {%- endfor %}
        {%- if weighted %}
        w
        {%- endif %}
    FROM (
        {{ query | indent(8) }}
    ) AS v
    {{ steps | indent(4) }}
) AS pieces
GROUP BY
    {%- if halved %}
    half,
    {%- endif %}
    p,
    q
{%- endmacro -%}

{#- Sums of products by strips of b rows of the matrix that begin at p; `query` has arrays x, and y where
    that is another. -#}
{%- macro part_sums_strips(dialect, query, b, steps, y="", weighted=false, halved=false) -%}
{%- set sums -%}
{%- for k in range(b) %}
        {{ sqlstab.filled(dialect.sum_of_multiples, [("w * " if weighted else "") ~ sqlstab.filled(dialect.element, ["x", "p + " ~ k if k else "p"]), "z"]) }}{{ "," if not loop.last }}
{%- endfor %}
    {% endset -%}
SELECT
    {%- if halved %}
    half,
    {%- endif %}
    p,
    count(*) AS n_rows,
    {{ sqlstab.filled(dialect.flattened, [sqlstab.filled(dialect.array, [sums])]) }} AS sums
FROM (
    SELECT
        {%- if halved %}
        half,
        {%- endif %}
        p,
        x,
        {{ y or sqlstab.filled(dialect.tail, ["x", "p"]) }} AS z
        {%- if weighted %},
        w
        {%- endif %}
    FROM (
        {{ query | indent(8) }}
    ) AS v
    {{ steps | indent(4) }}
) AS pieces
GROUP BY{{ " half," if halved }} p
{{ dialect.few_rows }}
{%- endmacro -%}
