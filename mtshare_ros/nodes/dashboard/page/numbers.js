/** Numbers that a person reads. */

/** Return the next number of 1, 2, 5, 10, 20, ... */
export function roundUp(value) {
  const decade = 10 ** Math.floor(Math.log10(value));
  return decade * [1, 2, 5, 10].find((digit) => digit * decade >= value * 0.9999);
}

/** Return a number with as many digits as are useful, a dash where there is none. */
export function numberText(value) {
  if (value === null || value === undefined) return '–';
  return value.toFixed(Math.abs(value) < 9.95 ? 1 : 0);
}
