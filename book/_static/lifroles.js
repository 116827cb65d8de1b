// Filters the ledger of claims and the advisor. Without scripts their forms stay hidden and everything is shown.
document.addEventListener("DOMContentLoaded", () => {
  const filter = (box, noun, wanted) => {
    const form = box.querySelector(".lifroles-filter");
    const items = [...box.querySelectorAll(".lifroles-item")];
    form.addEventListener("input", () => {
      const test = wanted(form);
      for (const item of items) item.hidden = !test(item);
      const shown = items.filter((item) => !item.hidden).length;
      form.querySelector("output").textContent = `${shown} of ${items.length} ${noun}`;
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  };
  for (const ledger of document.querySelectorAll(".lifroles-ledger")) {
    filter(ledger, "claims", (form) => {
      const { verdict, part, words } = form.elements;
      const searched = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      return (claim) =>
        [verdict, part].every((field) => !field.value || claim.dataset[field.name] === field.value) &&
        searched.every((word) => claim.textContent.toLowerCase().includes(word));
    });
  }
  for (const advisor of document.querySelectorAll(".lifroles-advisor")) {
    filter(advisor, "suggestions", (form) => {
      const needs = new FormData(form).getAll("need");
      return (suggestion) => needs.length === 0 || needs.includes(suggestion.dataset.need);
    });
  }
});
