// Whether this browser keeps cookies for us, found out before a password is sent: a login that cannot be kept would still
// be a login, and hold the agent's place (SPEC A4).

const PROBE = 'hotseat-probe'

export function cookiesKept(doc: Pick<Document, 'cookie'> = document, enabled: boolean = navigator.cookieEnabled): boolean {
  if (!enabled) return false
  // Blocked in the settings, browsers say nothing: the cookie is just not there. `cookieEnabled` stays true in Chromium.
  try {
    // Everywhere, not below /login: a page that was opened at another address cannot read what is kept for that one.
    doc.cookie = `${PROBE}=1; Path=/; SameSite=Strict`
    const kept = doc.cookie.includes(`${PROBE}=1`)
    doc.cookie = `${PROBE}=; Path=/; SameSite=Strict; Max-Age=0`
    return kept
  } catch {
    return false
  }
}
