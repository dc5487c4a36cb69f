/** Make the headers of a table buttons that sort it; a click on the same again turns the order round. */
function makeSortable(table) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    if (!header.textContent.trim()) return;
    const button = element("button", { type: "button", textContent: header.textContent });
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      body.append(...sorted([...body.rows], column, descending));
    });
  });
}

/** Rows by the cell in a column: numbers before words, empty cells last in both orders. */
function sorted(rows, column, descending) {
  const keyed = rows.map((row) => ({ row, key: row.cells[column].dataset.sort }));
  return keyed.sort((one, other) => compare(one.key, other.key, descending)).map(({ row }) => row);
}

function compare(one, other, descending) {
  if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
  const [x, y] = [Number(one), Number(other)];
  const [xIsWord, yIsWord] = [Number.isNaN(x), Number.isNaN(y)];
  const order = xIsWord !== yIsWord ? xIsWord - yIsWord : xIsWord ? one.localeCompare(other) : x - y;
  return descending ? -order : order;
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
