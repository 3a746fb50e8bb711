// The words of the page's language. words.LANGUAGE.json holds them; the server puts them into the page.

const words = JSON.parse(document.getElementById("words").textContent);
const plural = new Intl.PluralRules(document.documentElement.lang);

/** The text of a key, its {names} filled in. `n` chooses between key_one and key_other where the language has both. */
export function say(key, values = {}) {
  const counted = "n" in values ? words[`${key}_${plural.select(values.n)}`] ?? words[`${key}_other`] : undefined;
  const text = counted ?? words[key];
  if (text === undefined) throw new Error(`no words for "${key}"`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
