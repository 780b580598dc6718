// The phonebar against a running Hotseat: a real Chromium with a microphone that plays a known tone registers, tests
// itself, calls a number that echoes, and hears that very tone come back, over a lost line and a reload too.
//
// node phone.mjs starts a development world of its own (the program of the debug build; HOTSEAT= names another).
// HOTSEAT_E2E='{"base":"https://127.0.0.1:8443","username":"bea","password":"…","echo":"069100"}' names a running one.
//   echo         a number that answers and sends back what it hears
//   peer         instead of an echo: a number that plays this tone, in Hz, {"number":"069200","hz":700}
//   shots        a folder (or SHOTS=) for screenshots
// ONLY=word runs what has the word in its name (after the login).

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, person, report, watchConsole } from './browser.mjs'
import { startWorld } from './devworld.mjs'
import { answerQuestion, CONNECTION_LOST, enterCredentials, logOut, outcome, waitForState } from './e2e.mjs'
import { wav } from './wav.mjs'

/** Between two bins of any tone that the world plays by itself, and inside what every codec carries. */
export const TONE_HZ = 1234

/** A mono 16-bit WAV of a tone that swells and fades, so that nothing takes it for noise of the room. */
export function toneFile(path, hz = TONE_HZ, seconds = 10) {
  const rate = 48_000
  const data = Buffer.alloc(rate * seconds * 2)
  for (let n = 0; n < rate * seconds; n += 1) {
    const swell = 0.6 + 0.4 * Math.sin((2 * Math.PI * n) / (rate / 2))
    data.writeInt16LE(Math.round(9_000 * swell * Math.sin((2 * Math.PI * hz * n) / rate)), n * 2)
  }
  wav(path, data, rate)
  return path
}

/** What a test must see of the inside: the connections and the sockets. And a microphone that leaves tones alone. */
function lookInside() {
  const Connection = RTCPeerConnection
  globalThis.peers = []
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...args) { super(...args); globalThis.peers.push(this) }
  }
  const Socket = WebSocket
  globalThis.sockets = []
  globalThis.WebSocket = class extends Socket {
    constructor(...args) { super(...args); globalThis.sockets.push(this) }
  }
  const devices = navigator.mediaDevices
  const open = devices.getUserMedia.bind(devices)
  // Echo cancelling and noise suppression do what they should with a steady tone: they remove it.
  devices.getUserMedia = ({ audio }) => open({ audio: { ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false } })
}

/** A page of its own browser: the file of the microphone is a matter of the whole process. `before` runs in the page first. */
export async function openPhone({ hz = TONE_HZ, plays, options = {}, args = [], before = null } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'hotseat-tone-'))
  const browser = await launch([`--use-file-for-fake-audio-capture=${plays ?? toneFile(join(folder, 'tone.wav'), hz)}`, ...args])
  const context = await person(browser, { viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(10_000)
  await context.addInitScript(lookInside)
  if (before) await context.addInitScript(before)
  const page = await context.newPage()
  const complaints = watchConsole(page)
  return { browser, context, page, complaints, async close() { await browser.close(); rmSync(folder, { recursive: true }) } }
}

/** The strongest pitch of what is heard now, over half a second, and how much louder it is than all else together. */
export async function heard(page) {
  return page.evaluate(async () => {
    const pc = globalThis.peers.filter((p) => p.connectionState === 'connected').at(-1)
    const track = pc?.getReceivers()[0]?.track
    if (!track) return { hz: 0, share: 0, rms: 0 }
    globalThis.ears ??= new AudioContext()
    const source = globalThis.ears.createMediaStreamSource(new MediaStream([track]))
    const analyser = globalThis.ears.createAnalyser()
    analyser.fftSize = 8192
    analyser.smoothingTimeConstant = 0
    source.connect(analyser)
    await new Promise((done) => setTimeout(done, 500))
    const bins = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(bins)
    const samples = new Float32Array(analyser.fftSize)
    analyser.getFloatTimeDomainData(samples)
    source.disconnect()
    const width = globalThis.ears.sampleRate / analyser.fftSize
    const power = Array.from(bins, (db) => 10 ** (db / 10))
    const peak = power.indexOf(Math.max(...power))
    const near = power.slice(Math.max(0, peak - 4), peak + 5).reduce((a, b) => a + b, 0)
    const all = power.reduce((a, b) => a + b, 0)
    const rms = Math.sqrt(samples.reduce((a, b) => a + b * b, 0) / samples.length)
    return { hz: peak * width, share: all > 0 ? near / all : 0, rms }
  })
}

/** Waits until this tone is what one hears. */
export async function hears(page, hz, ms = 8_000) {
  const end = Date.now() + ms
  let last
  do last = await heard(page)
  while ((Math.abs(last.hz - hz) > 12 || last.share < 0.5 || last.rms < 0.003) && Date.now() < end)
  assert.ok(Math.abs(last.hz - hz) <= 12 && last.share >= 0.5 && last.rms >= 0.003, `${hz} Hz is heard, not ${JSON.stringify(last)}`)
  return last
}
export async function hearsNothing(page, hz, ms = 5_000) {
  const end = Date.now() + ms
  let last
  do last = await heard(page)
  while (last.rms > 0.003 && Math.abs(last.hz - hz) < 12 && Date.now() < end)
  assert.ok(last.rms <= 0.003 || Math.abs(last.hz - hz) >= 12, `${hz} Hz is gone, not ${JSON.stringify(last)}`)
}

/** From the address to a phonebar that is ready. */
export async function getReady(page, { base, username, password }) {
  await enterCredentials(page, { base, username, password })
  if ((await outcome(page)) === 'question') {
    await answerQuestion(page, true)
    await page.getByRole('button', { name: 'Log out' }).waitFor()
  }
  await waitForState(page, 'Ready', 15_000)
}

export async function call(page, number) {
  await page.getByLabel('Number or extension').fill(number)
  await page.keyboard.press('Enter')
  await waitForState(page, 'In call', 15_000)
}

export async function hangUp(page) {
  await page.getByRole('button', { name: 'Hang up' }).first().click()
  await waitForState(page, 'Ready')
}

async function main() {
  let world = null
  let config
  if (process.env.HOTSEAT_E2E) config = JSON.parse(process.env.HOTSEAT_E2E)
  else {
    world = await startWorld()
    const { login, password, extension } = world.agent('webrtc')
    config = { base: world.base, username: login, password, extension, echo: '069100', shots: process.env.SHOTS }
  }
  const { base, username, password, echo, peer } = config
  if (!base || !username || !password || !(echo || peer)) {
    console.error('HOTSEAT_E2E must be JSON with base, username, password and echo; see the top of this file.')
    return 2
  }
  if (config.shots) mkdirSync(config.shots, { recursive: true })
  const { number, hz } = peer ?? { number: echo, hz: TONE_HZ }
  const out = report()
  const only = process.env.ONLY ?? ''
  const one = await openPhone()
  const { page, context } = one
  const shoot = (name) => config.shots && page.screenshot({ path: join(config.shots, `${name}.png`), animations: 'disabled' })
  const step = async (name, body) => {
    if (only && !name.includes(only) && !name.startsWith('logs in')) return
    if (!(await out.test(name, body))) await shoot(`failed-${name.slice(0, 24).replaceAll(' ', '-')}`)
  }
  const dialogs = []
  page.on('dialog', (dialog) => { dialogs.push(dialog.type()); void dialog.accept() })
  try {
    await step('logs in without a list of phones, and is ready', async () => {
      await getReady(page, config)
      await shoot('ready')
    })
    await step('the self test through the gateway: heard, three seconds later', async () => {
      await page.getByRole('button', { name: 'Start the self test' }).click()
      await page.getByText('You can hear and be heard').waitFor({ timeout: 15_000 })
      await shoot('self-test')
    })
    await step('calls, and hears the very tone its microphone plays', async () => {
      const began = Date.now()
      await call(page, number)
      console.log(`#   dialled to in call: ${Date.now() - began} ms`)
      const found = await hears(page, hz)
      console.log(`#   ${found.hz.toFixed(0)} Hz, ${(found.share * 100).toFixed(0)} % of what is heard`)
      await page.getByText('Measuring…').waitFor({ state: 'detached' })
      await shoot('in-call')
      if (echo) {
        await page.getByRole('button', { name: 'Mute' }).click()
        await hearsNothing(page, hz)
        await page.getByRole('button', { name: 'Mute' }).click()
        await hears(page, hz)
      }
      await page.getByRole('button', { name: 'Hold' }).click()
      await waitForState(page, 'On hold')
      await hearsNothing(page, hz)
      await page.getByRole('button', { name: 'Hold' }).click()
      await hears(page, hz)
      await hangUp(page)
    })
    await step('digits go out as telephone events', async () => {
      await call(page, number)
      await hears(page, hz)
      await page.keyboard.press('Alt+k')
      await page.keyboard.type('42#')
      await page.getByText('42#').waitFor()
      await page.keyboard.press('Escape')
      await hangUp(page)
    })
    await step('the WebSocket dies in a call: the sound goes on, and the call follows the new line', async () => {
      await call(page, number)
      await hears(page, hz)
      await page.evaluate(() => { for (const s of globalThis.sockets) if (s.protocol === 'sip') s.close() })
      await hears(page, hz)
      await page.waitForFunction(() => globalThis.sockets.filter((s) => s.protocol === 'sip' && s.readyState === 1).length === 1)
      await page.getByText(CONNECTION_LOST).waitFor({ state: 'detached' })
      // The dialog works over the new flow.
      await page.waitForTimeout(1_500)
      await page.getByRole('button', { name: 'Hold' }).click()
      await waitForState(page, 'On hold')
      await page.getByRole('button', { name: 'Hold' }).click()
      await hears(page, hz)
      await hangUp(page)
    })
    await step('the page is reloaded in a call: it is tied on again', async () => {
      await call(page, number)
      await hears(page, hz)
      const began = Date.now()
      await page.reload()
      await waitForState(page, 'In call', 15_000)
      await hears(page, hz)
      console.log(`#   reload to hearing again: ${Date.now() - began} ms`)
      assert.deepEqual(dialogs, ['beforeunload'])
      await shoot('after-reload')
      await hangUp(page)
    })
    if (world) await step('is called by the trunk, answers, and hears it', async () => {
      world.say(`call ${config.extension}`)
      await waitForState(page, 'Ringing')
      await page.keyboard.press('Alt+a')
      await waitForState(page, 'In call')
      await page.waitForTimeout(1_000)
      const found = await heard(page)
      console.log(`#   the trunk's tone: ${found.hz.toFixed(0)} Hz, ${(found.share * 100).toFixed(0)} % of what is heard`)
      assert.ok(found.share > 0.5 && found.rms > 0.003 && Math.abs(found.hz - TONE_HZ) > 12, JSON.stringify(found))
      await hangUp(page)
    })
    await step('a second tab says that another one has the audio, and takes it with the call', async () => {
      await call(page, number)
      await hears(page, hz)
      const two = await context.newPage()
      await two.goto(base)
      await two.getByRole('heading', { name: 'Another tab has the audio' }).waitFor()
      await two.getByRole('button', { name: 'Take over here' }).click()
      await page.getByRole('heading', { name: 'Another tab has the audio' }).waitFor()
      await waitForState(two, 'In call', 15_000)
      await hears(two, hz)
      await hangUp(two)
      await two.close()
      await page.getByRole('button', { name: 'Take over here' }).click()
      await waitForState(page, 'Ready')
    })
    await step('logs out', () => logOut(page))
    await step('the console was quiet', async () => {
      assert.deepEqual(one.complaints.filter((line) => !/WebSocket|status of 503/.test(line)), [])
    })
  } finally {
    await one.close()
    await world?.stop()
  }
  const code = out.end()
  if (code !== 0 && world && process.env.LOG) console.error(world.log())
  return code
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main())
