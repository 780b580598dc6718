// Finding in a list that is already here: each typed word somewhere in the row, whatever its case and accents.

export function fits(query: string, parts: readonly (string | null | undefined)[]): boolean {
  const wanted = plain(query).split(' ').filter(Boolean)
  if (wanted.length === 0) return true
  const text = plain(parts.filter(Boolean).join(' '))
  return wanted.every((word) => text.includes(word))
}

function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ')
}
