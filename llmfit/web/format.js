// Numbers and dates as the page's language writes them. *_gb are GiB.

import { say } from "./words.js";

const language = document.documentElement.lang;
const digits = (least, most = least) => new Intl.NumberFormat(language, { minimumFractionDigits: least, maximumFractionDigits: most });
const [whole, tenths, upToTenths] = [digits(0), digits(1), digits(0, 1)];
const day = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
const month = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

export const count = value => whole.format(value);
export const score = value => tenths.format(value);
export const speed = value => (value < 10 ? tenths : whole).format(value);
export const tick = value => upToTenths.format(value);
const share = new Intl.NumberFormat(language, { style: "percent" });
export const percent = value => share.format(value);
/** GiB without the unit. */
export const gib = value => (value >= 100 ? whole : tenths).format(value);
/** A size that people name: 24 GiB. */
export const size = value => say("gib", { value: (value >= 100 ? whole : upToTenths).format(value) });
/** Tokens in the field's habit: 131072 is 128K. */
export const tokens = value =>
  value >= 1 << 20 ? `${upToTenths.format(value / (1 << 20))}M` : value >= 1024 ? `${whole.format(Math.floor(value / 1024))}K` : whole.format(value);
const moment = text => new Date(text.length === 4 ? `${text}-01` : text);
export const date = text => (text ? day.format(moment(text)) : "–");
export const monthOf = text => (text ? (text.length === 4 ? text : month.format(moment(text))) : "–");
export const time = text => clock.format(new Date(text));
export const seconds = ms => (ms < 1000 ? say("ms", { value: whole.format(ms) }) : say("s", { value: tenths.format(ms / 1000) }));
