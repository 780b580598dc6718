// The phonebar in a hard network: one that lets nothing through but what a TURN server relays, or nothing over UDP, or one
// that is another in the middle of the call. It calls a number that plays a tone, hears it, and says over which way.
//
// HOTSEAT_E2E='{"base":…,"username":…,"password":…,"number":"069123456","hz":700,"network":"relay"}' node hard.mjs

import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { report } from './browser.mjs'
import { logOut } from './e2e.mjs'
import { call, getReady, hangUp, hears, openPhone } from './phone.mjs'

const { base, username, password, number, hz, network, moves } = JSON.parse(process.env.HOTSEAT_E2E)
/** The whole call lasts at least so long, so that the other side has something to hear. */
const TALK_MS = 3_000
const turns = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Says how far the page is and waits until the other side has followed. */
async function turn(word) {
  console.log(`> ${word}`)
  const { done } = await turns.next()
  assert.ok(!done, 'the other side went away')
}

/** What each network does to the connections of a page, and how a working one looks there. */
const networks = {
  relay: {
    before: () => {
      const Connection = RTCPeerConnection
      globalThis.RTCPeerConnection = class extends Connection {
        constructor(config, ...rest) { super({ ...config, iceTransportPolicy: 'relay' }, ...rest) }
      }
    },
    expect: { type: 'relay', relayProtocol: 'udp' },
  },
  tcp: {
    // Whatever is sent to a UDP candidate gets lost there, so it may as well be unknown.
    before: () => {
      const Connection = RTCPeerConnection
      globalThis.RTCPeerConnection = class extends Connection {
        setRemoteDescription({ type, sdp }) {
          const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ \d+ udp /i.test(line))
          return super.setRemoteDescription({ type, sdp: lines.join('\r\n') })
        }
      }
    },
    expect: { protocol: 'tcp', tcpType: 'active' },
  },
  // Not from the loopback: its address would outlive every move.
  moving: {
    args: ['!--allow-loopback-in-peer-connection'],
    // Nor over TCP, whose connection the system would open from the loopback at once.
    before: () => {
      const Connection = RTCPeerConnection
      globalThis.RTCPeerConnection = class extends Connection {
        setRemoteDescription({ type, sdp }) {
          const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ \d+ tcp /i.test(line))
          return super.setRemoteDescription({ type, sdp: lines.join('\r\n') })
        }
      }
    },
    expect: { protocol: 'udp', address: moves?.from },
  },
}
/** From the move until one is heard again. */
const MOVED_MS = 30_000

/** The pair of candidates that carries the sound, from our side and theirs. */
async function way(page) {
  return page.evaluate(async () => {
    const pc = globalThis.peers.filter((p) => p.connectionState === 'connected').at(-1)
    const stats = await pc.getStats()
    const all = [...stats.values()]
    const pair = stats.get(all.find((s) => s.type === 'transport')?.selectedCandidatePairId)
    const told = ({ candidateType, protocol, tcpType, relayProtocol, address, port }) =>
      ({ type: candidateType, protocol, tcpType, relayProtocol, address, port })
    return { local: told(stats.get(pair.localCandidateId)), remote: told(stats.get(pair.remoteCandidateId)), servers: pc.getConfiguration().iceServers.length }
  })
}

/** Waits until the sound goes out from this address. */
async function comesFrom(page, address, ms) {
  const end = Date.now() + ms
  let last
  do {
    // Without a working connection there is no way to tell of.
    last = await way(page).catch(String)
    await page.waitForTimeout(100)
  } while (last?.local?.address !== address && Date.now() < end)
  assert.equal(last?.local?.address, address, JSON.stringify(last))
}

const { before, args, expect } = networks[network]
const out = report()
const one = await openPhone({ before, args })
try {
  if (!(await out.test('logs in and is ready', () => getReady(one.page, { base, username, password })))) process.exit(out.end())
  await turn('ready')
  await out.test(`calls over ${network} and hears the tone`, async () => {
    const began = Date.now()
    await call(one.page, number)
    const found = await hears(one.page, hz)
    console.log(`#   dialled to heard: ${Date.now() - began} ms; ${found.hz.toFixed(0)} Hz, ${(found.share * 100).toFixed(0)} % of what is heard`)
    const { local, remote, servers } = await way(one.page)
    console.log(`#   from ${JSON.stringify(local)} to ${JSON.stringify(remote)}, ${servers} ICE servers known`)
    for (const [name, value] of Object.entries(expect)) assert.equal(local[name], value, `the ${name} of the chosen candidate`)
    await one.page.waitForTimeout(TALK_MS)
    await hears(one.page, hz)
    if (moves) {
      await turn('moves')
      const left = Date.now()
      await comesFrom(one.page, moves.to, MOVED_MS)
      await hears(one.page, hz, MOVED_MS - (Date.now() - left))
      console.log(`#   moved to heard again: ${Date.now() - left} ms`)
      await one.page.waitForTimeout(TALK_MS)
      await hears(one.page, hz)
    }
    await hangUp(one.page)
  })
  await turn('called')
  await out.test('logs out', () => logOut(one.page))
} finally {
  await one.close()
}
process.exit(out.end())
