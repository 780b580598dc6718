// An agent in Chromium whose microphone plays a melody and whose ears are recorded, call after call: the interop ring calls
// and is called, and compares what each end heard with what the other played.
//
// HOTSEAT_E2E='{"base":…,"username":…,"password":…,"plays":"a.wav","turns":[{"word":…,"codec":"opus","dials":"0691…"|null,
//   "hears":"b.wav","ms":4000}],"shots":"DIR"}' node melody.mjs

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { report, spoken } from './browser.mjs'
import { waitForState } from './e2e.mjs'
import { getReady, hangUp, openPhone } from './phone.mjs'
import { wav } from './wav.mjs'

const RATE = 8000
/** Only this codec is offered and answered with, and the events that belong to it. */
function speakOnly() {
  const Connection = RTCPeerConnection
  const only = (pc) => {
    const known = RTCRtpReceiver.getCapabilities('audio').codecs
    const mine = known.filter((c) => [`audio/${globalThis.codec}`, 'audio/telephone-event'].includes(c.mimeType.toLowerCase()))
    for (const t of pc.getTransceivers()) t.wanted?.(mine)
  }
  RTCRtpTransceiver.prototype.wanted = RTCRtpTransceiver.prototype.setCodecPreferences
  RTCRtpTransceiver.prototype.setCodecPreferences = () => {}
  for (const name of ['createOffer', 'createAnswer']) {
    const plain = Connection.prototype[name]
    Connection.prototype[name] = function (...args) { only(this); return plain.apply(this, args) }
  }
}

/** What is heard for so many milliseconds, as 16-bit samples. */
export async function record(page, ms) {
  const text = await page.evaluate(async ([rate, ms]) => {
    const pc = globalThis.peers.filter((p) => p.connectionState === 'connected').at(-1)
    const ear = new AudioContext({ sampleRate: rate })
    const source = ear.createMediaStreamSource(new MediaStream([pc.getReceivers()[0].track]))
    const tap = ear.createScriptProcessor(1024, 1, 1)
    const parts = []
    tap.onaudioprocess = (e) => parts.push(Int16Array.from(e.inputBuffer.getChannelData(0), (v) => Math.max(-1, Math.min(1, v)) * 32767))
    source.connect(tap)
    tap.connect(ear.destination)
    await new Promise((done) => setTimeout(done, ms))
    source.disconnect()
    await ear.close()
    const bytes = new Uint8Array(parts.length * 2048)
    parts.forEach((p, i) => bytes.set(new Uint8Array(p.buffer), i * 2048))
    let text = ''
    for (const b of bytes) text += String.fromCharCode(b)
    return btoa(text)
  }, [RATE, ms])
  return Buffer.from(text, 'base64')
}

async function main() {
  const config = JSON.parse(process.env.HOTSEAT_E2E)
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const out = report()
  /** Says how far we are and waits for the other side. */
  async function turn(word) {
    console.log(`> ${word}`)
    assert.ok(!(await lines.next()).done, 'the other side went away')
  }

  if (config.shots) mkdirSync(config.shots, { recursive: true })
  const one = await openPhone({ plays: config.plays })
  const { page, context } = one
  try {
    await context.addInitScript(speakOnly)
    await out.test('logs in and is ready', async () => {
      await getReady(page, config)
      await turn('ready')
    })
    for (const { word, codec, dials, hears, ms } of config.turns) {
      await out.test(word, async () => {
        await page.evaluate((c) => { globalThis.codec = c }, codec)
        if (dials) {
          await page.getByLabel('Number or extension').fill(dials)
          await page.keyboard.press('Enter')
        } else {
          await turn(`${word} waits`)
          await page.getByRole('button', { name: 'Answer' }).click()
        }
        await waitForState(page, 'In call', 15_000)
        wav(hears, await record(page, ms), RATE)
        const used = await spoken(page)
        console.log(`#   ${used.join(', ')}`)
        if (config.shots) await page.screenshot({ path: join(config.shots, `melody-${word.replaceAll(' ', '-')}.png`) })
        await hangUp(page)
        await turn(`${word} done`)
      })
    }
  } finally {
    await one.close()
  }
  return out.end()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main())
