// What people type and paste into a number field, and what of it is dialled.

/** Longer than any number or extension (ITU-T E.164 has 15 digits, with a prefix before them). */
export const NUMBER_MAX = 40

/**
 * The number that is meant: without the blanks, dots, slashes, brackets and hyphens that people write, with letters of
 * extensions kept («desk-17» is a name, so a hyphen between letters stays). Null when nothing could be dialled.
 */
export function dialled(text: string): string | null {
  const trimmed = text.trim().replace(/^(tel|sip):/i, '')
  if (trimmed === '' || trimmed.length > NUMBER_MAX) return null
  if (/[A-Za-z]/.test(trimmed)) return /^[A-Za-z0-9_.+-]+$/.test(trimmed) ? trimmed : null
  // «+44 (0)20»: the zero in brackets is not dialled from abroad.
  const plain = trimmed.replace(/^(\+[\d ]+)\(0\)/, '$1').replace(/[\s().\/\-\u2010-\u2015\u00a0]/g, '')
  return /^\+?[0-9*#]+$/.test(plain) ? plain : null
}

/** The digits of a paste or a key into the keypad; everything else falls out. */
export function digitsOf(text: string): string {
  return text.toUpperCase().replace(/[^0-9*#A-D]/g, '')
}
