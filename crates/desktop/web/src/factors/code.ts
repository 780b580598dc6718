// Codes as people type them.

/** Six digits, however they were grouped; null when it is something else. */
export function codeOf(typed: string): string | null {
  const digits = typed.replace(/[\s-]/g, '')
  return /^\d{6}$/.test(digits) ? digits : null
}

/** Letters and digits of a recovery code; the server knows which exist. */
export function recoveryOf(typed: string): string | null {
  const code = typed.trim().replace(/\s+/g, '')
  return code === '' ? null : code
}

/** `ABCDEFGH` as `ABCD EFGH`, to be read aloud and typed. */
export function grouped(secret: string): string {
  return secret.replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ')
}
