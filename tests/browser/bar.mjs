// The phonebar, looked at and played with: its states, and the scenes between them. The other side is a toy that speaks
// SIP; where sound matters it is a second page with a real connection.

import assert from 'node:assert/strict'
import { bea } from './mock.mjs'

const longName = 'Anastasia-Wilhelmina von Hohenstein-Oberkirchen'
const pill = (page, word) => page.locator('.pill', { hasText: word })
const button = (page, name) => page.getByRole('button', { name })

async function until(check, what, ms = 4_000) {
  const end = Date.now() + ms
  while (!(await check())) {
    assert.ok(Date.now() < end, `in time: ${what}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** At the desktop; the page is the phone. */
async function atBar(page, mock) {
  await page.context().addCookies([{ name: 'hotseat', value: 'mock', url: mock.url }])
  await page.goto(`${mock.url}/`)
  await button(page, 'Log out').waitFor()
}
async function ready(page, mock) {
  await atBar(page, mock)
  await pill(page, 'Ready').waitFor()
  await until(() => mock.sip.registered, 'the page registers')
}
async function calls(page, number) {
  await page.getByLabel('Number or extension').fill(number)
  await page.keyboard.press('Enter')
}
/** In a call; with a context, the sound is real. */
async function inCall(page, mock, number = '+49 69 1234567', context = null) {
  if (context) mock.sip.media = await echoPeer(context, 0)
  await page.bringToFront()
  await ready(page, mock)
  await calls(page, number)
  await pill(page, 'In call').waitFor()
  if (context) await page.getByText('Measuring…').waitFor({ state: 'detached' })
}
async function rings(page, mock, number = '+49691234567', name = null) {
  const call = mock.sip.rings(number, name)
  await pill(page, 'Ringing').waitFor()
  return call
}
const world = (more = {}) => ({ agent: bea, session: 'in', ...more })

/** What this browser remembers of earlier calls. */
function remember(page, list) {
  return page.addInitScript((kept) => localStorage.setItem('hotseat-recent-bea', kept), JSON.stringify(list))
}
const earlier = (n) => Array.from({ length: n }, (_, i) => ({
  number: i === 1 ? '+44 20 7946 0958'.replaceAll(' ', '') : `+4969${1_234_567 + i}`, name: i % 3 === 1 ? 'Carlo Rossi' : null,
  direction: i % 2 === 0 ? 'in' : 'out', at: Date.now() - i * 3_900_000, ms: i % 4 === 2 ? null : 65_000 * (i + 1),
}))

/** Counters as a bad line would show them. */
const badCounters = () => {
  let n = 0
  RTCPeerConnection.prototype.getStats = async () => {
    n += 1
    return new Map([
      ['in', { type: 'inbound-rtp', kind: 'audio', packetsReceived: 88 * n, packetsLost: 12 * n, jitter: 0.02 }],
      ['there', { type: 'remote-inbound-rtp', kind: 'audio', roundTripTime: 0.2, fractionLost: 0.01 }],
    ])
  }
}

/** The far side of a call as a real connection in a page of its own: it sends back what it hears, later. */
export async function echoPeer(context, delay_s = 3) {
  const peer = await context.newPage()
  await peer.goto('about:blank')
  return (offer) => peer.evaluate(async ([sdp, delay]) => {
    const answered = async (pc) => {
      await pc.setLocalDescription()
      if (pc.iceGatheringState !== 'complete') {
        await new Promise((done) => pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done()))
      }
      return pc.localDescription.sdp
    }
    // A re-INVITE is of the same session (RFC 3264 §8).
    const session = /^o=\S+ (\S+)/m.exec(sdp)[1]
    globalThis.sessions ??= new Map()
    const known = globalThis.sessions.get(session)
    if (known) {
      await known.setRemoteDescription({ type: 'offer', sdp })
      return answered(known)
    }
    const pc = new RTCPeerConnection()
    globalThis.sessions.set(session, pc)
    const audio = new AudioContext()
    const out = audio.createMediaStreamDestination()
    const later = audio.createDelay(5)
    later.delayTime.value = delay
    later.connect(out)
    pc.addEventListener('track', ({ track }) => {
      const heard = new MediaStream([track])
      // Chromium decodes only what an element plays.
      globalThis.ear = Object.assign(new Audio(), { srcObject: heard, muted: true })
      void globalThis.ear.play()
      audio.createMediaStreamSource(heard).connect(later)
    })
    await pc.setRemoteDescription({ type: 'offer', sdp })
    pc.addTrack(out.stream.getAudioTracks()[0], out.stream)
    return answered(pc)
  }, [offer, delay_s])
}

export const barStates = [
  ['bar-ready', world(), ready],
  ['bar-ready-recent', world(), async (page, mock) => { await remember(page, earlier(9)); await ready(page, mock) }],
  ['bar-devices', world(), async (page, mock) => { await ready(page, mock); await button(page, 'Devices and level').click(); await page.getByLabel('Ringing comes from').waitFor() }],
  ['bar-microphone-not-asked', world(), async (page, mock) => { await atBar(page, mock); await page.getByRole('heading', { name: 'Your microphone is needed' }).waitFor() }, { permissions: undefined }],
  ['bar-microphone-denied', world(), async (page, mock) => {
    await atBar(page, mock)
    await page.getByRole('heading', { name: 'Your microphone is blocked' }).waitFor()
    // Not able to be ready: nobody registers.
    assert.equal(mock.sip.requests.length, 0)
  }, { permissions: ['clipboard-read'] }],
  ['bar-no-microphone', world(), async (page, mock) => {
    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('Requested device not found', 'NotFoundError') }
      navigator.mediaDevices.enumerateDevices = async () => []
    })
    await atBar(page, mock)
    await page.getByRole('heading', { name: 'There is no microphone' }).waitFor()
  }],
  ['bar-no-account', world({ sipRefusal: { status: 409, body: { reason: 'busy', sentence: 'Calls in the browser are being prepared. Please wait a moment.' } } }),
    async (page, mock) => { await atBar(page, mock); await page.getByText('Calls in the browser are being prepared.').waitFor() }],
  ['bar-line-refused', world({ account: { ticket: 'forged' } }), async (page, mock) => { await atBar(page, mock); await pill(page, 'Not ready').waitFor({ timeout: 5_000 }) }],
  ['bar-other-tab', world({ owner: 'another-tab' }), async (page, mock) => { await atBar(page, mock); await page.getByRole('heading', { name: 'Another tab has the audio' }).waitFor() }],
  ['bar-test-running', world(), async (page, mock, context) => {
    mock.sip.media = await echoPeer(context)
    await ready(page, mock)
    await page.bringToFront()
    await button(page, 'Start the self test').click()
    await page.getByText('Say something,').waitFor()
  }],
  ['bar-test-failed', world(), async (page, mock) => {
    await ready(page, mock)
    mock.sip.policy = () => 404
    await button(page, 'Start the self test').click()
    await page.getByText('The test call did not get through').waitFor()
  }],
  ['bar-dialing', world(), async (page, mock) => {
    mock.sip.policy = () => 'ring'
    await ready(page, mock)
    await calls(page, '+49 69 1234567')
    await page.getByText('Ringing there').waitFor()
  }],
  ['bar-ringing', world(), async (page, mock) => { await ready(page, mock); await rings(page, mock, '+491711234567', 'Carlo Rossi') }],
  ['bar-in-call', world(), async (page, mock) => { await remember(page, earlier(3)); await inCall(page, mock) }],
  ['bar-muted', world(), async (page, mock) => { await inCall(page, mock); await button(page, 'Mute').click(); await page.getByText('You are muted').waitFor() }],
  ['bar-on-hold', world(), async (page, mock) => { await inCall(page, mock); await button(page, 'Hold').click(); await pill(page, 'On hold').waitFor() }],
  ['bar-keypad', world(), async (page, mock, context) => { await inCall(page, mock, undefined, context); await button(page, 'Keypad').click(); await page.keyboard.type('12#'); await page.getByText('12#').waitFor() }],
  ['bar-transfer', world(), async (page, mock) => { await inCall(page, mock); await button(page, 'Transfer').click(); await page.getByRole('dialog').waitFor() }],
  ['bar-transferring', world(), async (page, mock) => {
    await inCall(page, mock)
    await button(page, 'Transfer').click()
    await page.keyboard.type('2005')
    await page.keyboard.press('Enter')
    await page.getByText('Transferring to 2005…').waitFor()
  }],
  ['bar-second-call', world(), async (page, mock) => { await inCall(page, mock); mock.sip.rings('+442079460958', 'Dana Novak'); await button(page, 'Hold and answer').waitFor() }],
  ['bar-two-calls', world(), async (page, mock) => {
    await inCall(page, mock)
    mock.sip.rings('+442079460958', 'Dana Novak')
    await button(page, 'Hold and answer').click()
    await page.getByRole('heading', { name: 'Dana Novak' }).waitFor()
    await button(page, 'Switch').waitFor()
  }],
  ['bar-long-names', world({ agent: { ...bea, display_name: longName } }), async (page, mock) => {
    await remember(page, [{ number: '+4969123456789012345678', name: longName, direction: 'in', at: Date.now(), ms: null }])
    await ready(page, mock)
    mock.sip.rings('+4969123456789012345678901234567890', `${longName} of the regional office`)
    await pill(page, 'Ringing').waitFor()
    await button(page, 'Answer').click()
    await pill(page, 'In call').waitFor()
    mock.sip.rings('+4969123456789012345678901234567890', longName)
    await button(page, 'Hold and answer').waitFor()
  }],
  ['bar-quality-bad', world(), async (page, mock) => {
    await page.addInitScript(badCounters)
    await inCall(page, mock)
    await page.getByText(/12 % of the sound towards you is lost/).waitFor()
    mock.push({ type: 'activity', activity: 'in_call', peer: '+49691234567', since: Date.now() })
    mock.push({ type: 'audio', silent: true, from_agent: false })
    await page.getByText('No sound comes from the other side.').waitFor()
  }],
  ['bar-reconnecting', world(), async (page, mock) => {
    await inCall(page, mock)
    mock.cut()
    page.on('dialog', (dialog) => void dialog.accept())
    mock.heal()
    mock.sip.policy = (number, invite) => (invite.one('replaces') ? 'ring' : 'answer')
    await page.reload()
    await page.getByText('Reconnecting your call…').waitFor()
  }],
  ['bar-connection-lost', world(), async (page, mock) => {
    await ready(page, mock)
    mock.cut()
    await page.getByText('WARNING Experiencing network connectivity issues. Please check your internet connection.').waitFor({ timeout: 5_000 })
  }],
  ['bar-shortcuts', world(), async (page, mock) => { await ready(page, mock); await button(page, 'Keyboard shortcuts').click(); await page.getByRole('alertdialog').waitFor() }],
  ['bar-log-out-in-call', world(), async (page, mock) => { await inCall(page, mock); await button(page, 'Log out').click(); await page.getByRole('alertdialog').waitFor() }],
]

/** What happens between the states. */
export async function barScenes(scene) {
  await scene('bar: the ticket is shown, the tab keeps its name over a reload, and a second tab has another', world(), {}, async (page, mock, context) => {
    await ready(page, mock)
    const instance = (r) => /sip\.instance="<urn:uuid:([^>]+)>"/.exec(r.one('contact'))?.[1]
    const register = mock.sip.requests.find((r) => r.method === 'REGISTER')
    assert.equal(register.one('authorization'), 'Bearer ticket-1')
    const first = instance(register)
    assert.match(first, /^[0-9a-f-]{36}$/)
    mock.sip.requests.length = 0
    await page.reload()
    await until(() => mock.sip.requests.some((r) => r.method === 'REGISTER'), 'registers again')
    assert.equal(instance(mock.sip.requests[0]), first)
    // A duplicated tab has a copy of the storage.
    const two = await context.newPage()
    await two.addInitScript((id) => sessionStorage.setItem('hotseat-tab', id), first)
    await two.goto(`${mock.url}/`)
    await two.getByRole('heading', { name: 'Another tab has the audio' }).waitFor()
    assert.notEqual(await two.evaluate(() => sessionStorage.getItem('hotseat-tab')), first)
  })

  await scene('bar: another tab takes over, the first says so, and the call moves along', world(), {}, async (page, mock, context) => {
    await inCall(page, mock)
    const callId = mock.sip.requests.find((r) => r.method === 'INVITE').one('call-id')
    const two = await context.newPage()
    await two.goto(`${mock.url}/`)
    await button(two, 'Take over here').click()
    await page.getByRole('heading', { name: 'Another tab has the audio' }).waitFor()
    await pill(two, 'In call').waitFor()
    const moved = mock.sip.requests.find((r) => r.one('replaces'))
    assert.ok(moved.one('replaces').startsWith(`${callId};to-tag=`))
    assert.equal(moved.one('require'), 'replaces')
    assert.equal(mock.sip.requests.some((r) => r.method === 'BYE'), false)
  })

  await scene('bar: PCMU, PCMA, G.722 are offered before Opus, unless the server says otherwise', world(), {}, async (page, mock) => {
    await inCall(page, mock)
    const names = (sdp) => /m=audio \d+ \S+ ([\d ]+)/.exec(sdp)[1].split(' ').map((pt) => new RegExp(`a=rtpmap:${pt} ([^/]+)`).exec(sdp)?.[1])
    const offered = (r) => names(r.body)
    const first = offered(mock.sip.requests.find((r) => r.method === 'INVITE'))
    assert.deepEqual(first.slice(0, 4), ['PCMU', 'PCMA', 'G722', 'opus'])
    assert.ok(first.includes('telephone-event') && !first.includes('red'))
    await button(page, 'Hang up').click()
    mock.state.account = { codecs: ['opus', 'PCMA'] }
    await page.reload()
    await pill(page, 'Ready').waitFor()
    await calls(page, '2005')
    await pill(page, 'In call').waitFor()
    assert.deepEqual(offered(mock.sip.requests.filter((r) => r.method === 'INVITE').at(-1)).slice(0, 2), ['opus', 'PCMA'])
  })

  await scene('bar: the keyboard alone: dial, mute, hold, keypad, transfer; the focus is never lost', world(), {}, async (page, mock, context) => {
    mock.sip.media = await echoPeer(context, 0)
    await page.bringToFront()
    await ready(page, mock)
    await page.keyboard.press('Alt+n')
    await page.keyboard.type('+49 (69) 123-4567')
    await page.keyboard.press('Enter')
    await pill(page, 'In call').waitFor()
    assert.equal(mock.sip.requests.find((r) => r.method === 'INVITE').uri, 'sip:+49691234567@test.local')
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Mute')
    await page.keyboard.press('Alt+m')
    await page.getByText('You are muted').waitFor()
    await page.keyboard.press('Alt+m')
    await page.getByText('You are muted').waitFor({ state: 'detached' })
    await page.keyboard.press('Alt+l')
    await pill(page, 'On hold').waitFor()
    // The page says it with the wish; the offer is made after it and comes a moment later.
    const offers = (direction) => mock.sip.requests.filter((r) => r.method === 'INVITE' && r.body.includes(`a=${direction}`)).length
    await until(() => offers('sendonly') === 1, 'an offer that only sends')
    await page.keyboard.press('Alt+l')
    await pill(page, 'In call').waitFor()
    await until(() => offers('sendrecv') === 2, 'an offer that takes it back')
    await page.keyboard.press('Alt+k')
    await page.getByRole('group', { name: 'Keypad' }).waitFor()
    await page.getByText('Measuring…').waitFor({ state: 'detached' })
    await page.keyboard.type('5*')
    await page.getByText('5*').waitFor()
    await page.keyboard.press('Escape')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Keypad')
    await page.keyboard.press('Alt+r')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('2005')
    await page.keyboard.press('Enter')
    await until(() => mock.sip.refer, 'a REFER')
    assert.equal(mock.sip.refer.one('refer-to'), '<sip:2005@test.local>')
    await page.keyboard.press('Alt+x')
    await pill(page, 'Ready').waitFor()
    await until(() => mock.sip.requests.some((r) => r.method === 'BYE'), 'it hangs up')
    await page.getByRole('button', { name: 'Call +49691234567' }).waitFor()
  })

  await scene('bar: an incoming call is announced, answered by key, and ended from the other side', world(), {}, async (page, mock) => {
    await ready(page, mock)
    const call = await rings(page, mock, '+491711234567', 'Carlo Rossi')
    assert.match(await page.getByRole('alert').filter({ hasText: 'Incoming call' }).innerText(), /Carlo Rossi[\s\S]*\+491711234567/)
    await until(async () => (await page.title()) === 'Ringing Carlo Rossi · Hotseat', 'the title tells it')
    await page.keyboard.press('Alt+a')
    await pill(page, 'In call').waitFor()
    await until(() => call.status === 200, 'the 200')
    mock.sip.hangUp(call)
    await page.getByText('The other side hung up.').waitFor()
  })

  await scene('bar: a caller who gives up is a missed call; a rejected one gets busy', world(), {}, async (page, mock) => {
    await ready(page, mock)
    mock.sip.giveUp(await rings(page, mock))
    await page.getByText('Missed call.').waitFor()
    const second = await rings(page, mock, '2005')
    await button(page, 'Reject').click()
    await until(() => second.status === 486, 'a 486')
    await pill(page, 'Ready').waitFor()
  })

  await scene('bar: busy, unknown and refused are told in words', world(), {}, async (page, mock) => {
    await ready(page, mock)
    for (const [status, words] of [[486, 'Busy.'], [404, 'There is no such number.'], [480, 'Nobody can be reached there right now.'], [603, 'The call was declined.']]) {
      mock.sip.policy = () => status
      await calls(page, '2005')
      await page.getByText(words).waitFor()
    }
    await page.getByLabel('Number or extension').fill('no number!')
    await page.keyboard.press('Enter')
    await page.getByText('Please enter a number, or an extension.').waitFor()
  })

  await scene('bar: a microphone that is allowed later makes the agent ready without a new login', world(), { permissions: undefined }, async (page, mock, context) => {
    await atBar(page, mock)
    await page.getByRole('heading', { name: 'Your microphone is needed' }).waitFor()
    assert.equal(mock.sip.requests.length, 0)
    await context.grantPermissions(['microphone'])
    await page.getByRole('button', { name: 'Allow microphone' }).first().click()
    await pill(page, 'Ready').waitFor()
    assert.equal(mock.state.requests.filter((r) => r.door === 'POST /api/login').length, 0)
  })

  await scene('bar: the self test measures what went out and what came back', world(), {}, async (page, mock, context) => {
    mock.sip.media = await echoPeer(context)
    await ready(page, mock)
    await page.bringToFront()
    await button(page, 'Start the self test').click()
    await page.getByText('Listen:').waitFor()
    await page.getByText('You can hear and be heard').waitFor({ timeout: 10_000 })
    assert.equal(mock.sip.requests.find((r) => r.method === 'INVITE').uri, 'sip:self-test@test.local')
    await until(() => mock.sip.requests.some((r) => r.method === 'BYE'), 'it hangs up')
    await page.getByText('None yet.').waitFor()
  })

  await scene('bar: the self test says when nothing comes back', world(), {}, async (page, mock) => {
    await ready(page, mock)
    await button(page, 'Start the self test').click()
    await page.getByText('Your microphone works, but nothing came back').waitFor({ timeout: 12_000 })
  })

  await scene('bar: a reload in a call is warned of, and the call is tied on again with its time and its mute', world(), {}, async (page, mock) => {
    await inCall(page, mock)
    await page.keyboard.press('Alt+m')
    await page.getByText('You are muted').waitFor()
    let warned = 0
    page.on('dialog', (dialog) => { warned += 1; void dialog.accept() })
    const before = mock.sip.requests.find((r) => r.method === 'INVITE')
    await page.reload()
    await page.getByText('You are muted').waitFor()
    await pill(page, 'In call').waitFor()
    assert.equal(warned, 1)
    const again = mock.sip.requests.filter((r) => r.method === 'INVITE').at(-1)
    const [callId, toTag, fromTag] = again.one('replaces').split(';')
    assert.equal(callId, before.one('call-id'))
    assert.ok(before.one('from').endsWith(fromTag.replace('from-tag=', 'tag=')))
    assert.match(toTag, /^to-tag=[0-9a-f]{12}$/)
    assert.equal(mock.sip.requests.some((r) => r.method === 'BYE'), false)
    await button(page, 'Hang up').click()
    await pill(page, 'Ready').waitFor()
    await page.reload()
    assert.equal(warned, 1, 'no warning without a call')
  })

  await scene('bar: the line breaks in a call: banner, then none; the call goes on over the new line', world(), {}, async (page, mock) => {
    await inCall(page, mock)
    const banner = page.getByText('WARNING Experiencing network connectivity issues. Please check your internet connection.')
    mock.cut()
    await banner.waitFor({ timeout: 5_000 })
    await pill(page, 'In call').waitFor()
    mock.sip.requests.length = 0
    mock.heal()
    await banner.waitFor({ state: 'detached', timeout: 12_000 })
    await until(() => mock.sip.requests.some((r) => r.method === 'INVITE'), 'a re-INVITE over the new line', 6_000)
    assert.equal(mock.sip.requests[0].method, 'REGISTER')
    await pill(page, 'In call').waitFor()
    assert.equal(mock.sip.requests.some((r) => r.method === 'BYE'), false)
  })

  await scene('bar: a device that is chosen is used and remembered', world(), {}, async (page, mock) => {
    await ready(page, mock)
    await button(page, 'Devices and level').click()
    const microphones = page.getByLabel('Microphone', { exact: true })
    const second = await microphones.locator('option').nth(2).getAttribute('value')
    await microphones.selectOption(second)
    await page.reload()
    await button(page, 'Devices and level').click()
    await until(async () => (await microphones.inputValue()) === second, 'the one from before')
    // The meter moves: the fake device beeps.
    await until(() => page.evaluate(() => Number(getComputedStyle(document.querySelector('.level-fill')).scale.split(' ')[0]) > 0.2), 'the level moves')
  })
}
