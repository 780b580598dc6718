// Chromium as the tests want it: Debian's, headless, with fake media, talking to nobody but us.

import { chromium } from 'playwright-core'

const ARGS = [
  '--no-sandbox', // tests run as root in CI
  '--use-fake-device-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-default-browser-check',
  '--metrics-recording-only',
  '--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication',
]

/** With these flags too; one that begins with `!` takes away ours of that name. */
export async function launch(extra = []) {
  const without = extra.filter((arg) => arg.startsWith('!')).map((arg) => arg.slice(1))
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGS.filter((arg) => !without.includes(arg)), ...extra.filter((arg) => !arg.startsWith('!'))],
  })
}

/** A context of its own: cookies, storage and permissions of one person. */
export async function person(browser, options = {}) {
  return browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB', permissions: ['microphone'], ...options })
}

/** Collects what must never appear in a console: policy violations, uncaught errors, React's complaints. */
export function watchConsole(page) {
  const complaints = []
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    // A refused login is a 401 on purpose; Chromium writes every such answer to the console.
    if (/Failed to load resource: the server responded with a status of (401|403|409|410|422|429)/.test(message.text())) return
    complaints.push(`${message.type()}: ${message.text()}`)
  })
  return complaints
}

/** Which codec goes which way in the last connection of `globalThis.peers`, for a page of either driver. */
export async function spoken(page) {
  return page.evaluate(async () => {
    const pc = globalThis.peers.filter((p) => p.connectionState === 'connected').at(-1)
    const all = [...(await pc.getStats()).values()]
    const codec = (id) => all.find((s) => s.id === id)?.mimeType
    return all.filter((s) => /bound-rtp$/.test(s.type) && s.kind === 'audio').map((s) => `${s.type} ${codec(s.codecId)}`)
  })
}

/** Numbered lines in the manner of TAP, and the exit code they deserve. */
export function report() {
  let count = 0
  let failed = 0
  return {
    async test(name, body) {
      count += 1
      const began = Date.now()
      try {
        await body()
        console.log(`ok ${count} - ${name} # ${Date.now() - began} ms`)
        return true
      } catch (error) {
        failed += 1
        console.log(`not ok ${count} - ${name}`)
        console.log(String(error?.stack ?? error).split('\n').slice(0, 12).map((line) => `#   ${line}`).join('\n'))
        return false
      }
    },
    end() {
      console.log(`1..${count}`)
      if (failed > 0) console.log(`# ${failed} of ${count} failed`)
      return failed === 0 ? 0 : 1
    },
  }
}
