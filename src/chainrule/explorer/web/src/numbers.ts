/** Numbers as they are read: few digits, a true minus sign, powers of ten where zeros would hide the digits. */

/** `digits` significant digits; a dash for what is not a number (JSON carries no infinity). */
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e-4 && size < 1e6
      ? String(Number(value.toPrecision(digits)))
      : value.toExponential(digits - 1).replace(/\.?0*e([+-])(\d+)/, (_, sign: string, power: string) => {
          return `·10${[...`${sign === "-" ? "-" : ""}${power}`].map((c) => SUPERSCRIPT[c] ?? c).join("")}`;
        });
  return text.replace(/^-/, "−");
}

const SUPERSCRIPT: Record<string, string> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};
