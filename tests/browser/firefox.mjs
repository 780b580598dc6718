// An agent in Firefox, with a sound system of its own: its microphone is a file, what it plays is recorded. Call after call, for
// the interop ring, which compares what each end heard with what the other played.
//
// HOTSEAT_E2E as for melody.mjs; a turn's codec is what must have been spoken, or null. FIREFOX= names another program.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import puppeteer from 'puppeteer-core'
import { report, spoken } from './browser.mjs'
import { startSound } from './pulse.mjs'
import { wav } from './wav.mjs'

const config = JSON.parse(process.env.HOTSEAT_E2E)
if (config.shots) mkdirSync(config.shots, { recursive: true })
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const out = report()

const PREFERENCES = {
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  // What cleans a voice takes a melody for noise.
  'media.getusermedia.aec_enabled': false, 'media.getusermedia.agc_enabled': false, 'media.getusermedia.noise_enabled': false,
  'media.getusermedia.agc2_forced': false,
}

/** What a test must see of the inside. */
function lookInside() {
  const Connection = RTCPeerConnection
  globalThis.peers = []
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...args) { super(...args); globalThis.peers.push(this) }
  }
  const devices = navigator.mediaDevices
  if (!devices) return
  const open = devices.getUserMedia.bind(devices)
  devices.getUserMedia = ({ audio }) => open({ audio: { ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false } })
}

async function turn(word) {
  console.log(`> ${word}`)
  assert.ok(!(await lines.next()).done, 'the other side went away')
}

const sound = await startSound()
sound.speak(config.plays)
const browser = await puppeteer.launch({
  browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true, acceptInsecureCerts: true,
  env: { ...sound.env, LANG: 'en_GB.UTF-8' }, extraPrefsFirefox: { ...PREFERENCES, 'intl.accept_languages': 'en-GB' },
})
const page = await browser.newPage()
if (process.env.LOG) page.on('console', (m) => console.log(`# ${m.text()}`))
if (process.env.LOG) page.on('pageerror', (e) => console.log(`# uncaught ${e}`))
const shoot = (name) => config.shots && page.screenshot({ path: `${config.shots}/firefox-${name.replaceAll(' ', '-')}.png` })
const button = (name) => page.locator(`::-p-aria([name="${name}"][role="button"])`)
const state = (word) => page.waitForFunction((w) => document.querySelector('.pill')?.textContent.includes(w), { timeout: 15_000 }, word)
/** A click on its label is a click into the field. */
const fill = async (label, text) => {
  await page.locator(`::-p-xpath(//label[normalize-space()="${label}"])`).click()
  await page.keyboard.type(text)
}
try {
  page.setDefaultTimeout(15_000)
  await page.setViewport({ width: 1280, height: 800 })
  await page.evaluateOnNewDocument(lookInside)
  const ready = await out.test('Firefox logs in and is ready', async () => {
    await page.goto(new URL('/login', config.base).href)
    await fill('Agent Username', config.username)
    await fill('Password', config.password)
    await page.keyboard.press('Enter')
    // Firefox asks anew for every site, and tells a page of no loudspeaker before.
    await button('Allow microphone').click()
    await state('Ready')
    const told = await page.evaluate(() => document.body.innerText)
    assert.ok(!told.includes('None found'), told)
    await shoot('ready')
    await turn('ready')
  })
  if (!ready) await shoot('failed ready')
  for (const { word, codec, dials, hears, ms } of ready ? config.turns : []) {
    const went = await out.test(word, async () => {
      if (dials) {
        await fill('Number or extension', dials)
        await page.keyboard.press('Enter')
      } else {
        await turn(`${word} waits`)
        await button('Answer').click()
      }
      await state('In call')
      wav(hears, await sound.record(ms))
      const used = await spoken(page)
      console.log(`#   ${used.join(', ')}`)
      if (codec) assert.ok(used.includes(`inbound-rtp audio/${codec}`), used.join(', '))
      await shoot(word)
      await button('Hang up').click()
      await state('Ready')
      await turn(`${word} done`)
    })
    if (!went) {
      await shoot(`failed ${word}`)
      break
    }
  }
} finally {
  await browser.close()
  await sound.stop()
}
process.exit(out.end())
