// A toy of the other side of the phonebar: SIP over WebSocket as far as one page needs it. Its sound goes nowhere, unless
// it is given something that answers an offer with a real one.

import { randomBytes, randomUUID } from 'node:crypto'

const CRLF = '\r\n'
const tag = () => randomBytes(6).toString('hex')

function parse(text) {
  const end = text.indexOf(CRLF + CRLF)
  const [start, ...lines] = text.slice(0, end).split(CRLF)
  const headers = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.push([line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()])
  }
  const all = (name) => headers.filter(([n]) => n === name).map(([, v]) => v)
  return { start, all, one: (name) => all(name)[0] ?? null, body: text.slice(end + 4) }
}

/** An answer, or an offer, that every browser accepts and that leads nowhere. */
export function cannedSdp({ offer = null, offering = false } = {}) {
  const event = offer ? (/a=rtpmap:(\d+) telephone-event\/8000/.exec(offer)?.[1] ?? '101') : '101'
  const mid = offer ? (/a=mid:(\S+)/.exec(offer)?.[1] ?? '0') : '0'
  const direction = offer && /a=sendonly/.test(offer) ? 'recvonly' : offer && /a=inactive/.test(offer) ? 'inactive' : 'sendrecv'
  const fingerprint = Array.from(randomBytes(32), (b) => b.toString(16).padStart(2, '0').toUpperCase()).join(':')
  return [
    'v=0', `o=- ${Date.now()} 1 IN IP4 127.0.0.1`, 's=-', 't=0 0', 'a=ice-lite', `a=group:BUNDLE ${mid}`,
    `m=audio 9 UDP/TLS/RTP/SAVPF 0 ${event}`, 'c=IN IP4 127.0.0.1', 'a=rtpmap:0 PCMU/8000', `a=rtpmap:${event} telephone-event/8000`,
    `a=ice-ufrag:${tag().slice(0, 6)}`, `a=ice-pwd:${randomBytes(16).toString('hex')}`, `a=fingerprint:sha-256 ${fingerprint}`,
    `a=setup:${offering ? 'actpass' : 'passive'}`, `a=mid:${mid}`, `a=${direction}`, 'a=rtcp-mux',
    'a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host', 'a=end-of-candidates', '',
  ].join(CRLF)
}

export class ToySip {
  constructor(options = {}) {
    /** What becomes of a call to a number: 'ring', 'answer', or a status. */
    this.policy = (number) => (/^\d+$/.test(number) && number.startsWith('9') ? 486 : 'answer')
    /** Answers an offer; a test may put a real peer here. */
    this.media = async (offer) => cannedSdp({ offer })
    this.ticket = 'ticket-1'
    /** Every request that came, by method, newest last. */
    this.requests = []
    this.registered = null
    this.calls = new Map()
    Object.assign(this, options)
  }

  open(ws) {
    this.ws = ws
    ws.on('message', (data) => {
      const text = String(data)
      if (text.trim() === '') return
      void this.take(ws, parse(text))
    })
    ws.on('close', () => { if (this.registered?.ws === ws) this.registered = null })
  }

  reply(ws, request, status, reason, more = [], body = '', toTag = null) {
    const to = request.one('to')
    const lines = [
      `SIP/2.0 ${status} ${reason}`, ...request.all('via').map((v) => `Via: ${v}`), `From: ${request.one('from')}`,
      `To: ${to}${toTag && !/;tag=/.test(to) ? `;tag=${toTag}` : ''}`, `Call-ID: ${request.one('call-id')}`, `CSeq: ${request.one('cseq')}`, ...more,
    ]
    if (body) lines.push('Content-Type: application/sdp')
    ws.send([...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join(CRLF))
  }

  async take(ws, message) {
    if (message.start.startsWith('SIP/2.0')) return this.answered(ws, message)
    const [method, uri] = message.start.split(' ')
    this.requests.push({ method, uri, one: message.one, all: message.all, body: message.body })
    if (method !== 'ACK' && method !== 'CANCEL' && message.one('authorization') !== `Bearer ${this.ticket}`) {
      return this.reply(ws, message, 403, 'Forbidden', [], '', tag())
    }
    const callId = message.one('call-id')
    const call = this.calls.get(callId)
    const contact = 'Contact: <sip:toy@127.0.0.1;transport=ws>'
    switch (method) {
      case 'REGISTER': {
        const expires = Number(message.one('expires') ?? 120)
        this.registered = expires === 0 ? null : { ws, contact: /<([^>]+)>/.exec(message.one('contact'))[1] }
        return this.reply(ws, message, 200, 'OK', [`Contact: ${message.one('contact')}`, `Expires: ${expires}`], '', tag())
      }
      case 'INVITE': {
        if (call) return this.reply(ws, message, 200, 'OK', [contact], await this.media(message.body), call.tag)
        this.reply(ws, message, 100, 'Trying')
        const number = /^sip:([^@]+)/.exec(uri)[1]
        const made = { ws, invite: message, tag: tag(), uri, number, remote: message.one('from'), replaces: message.one('replaces') }
        this.calls.set(callId, made)
        const what = this.policy(number, message)
        if (typeof what === 'number') {
          this.calls.delete(callId)
          return this.reply(ws, message, what, what === 486 ? 'Busy Here' : 'No', [], '', made.tag)
        }
        if (!made.replaces) this.reply(ws, message, 180, 'Ringing', [contact], '', made.tag)
        if (what === 'answer') await this.pickUp(made)
        return
      }
      case 'CANCEL':
        this.reply(ws, message, 200, 'OK', [], '', call?.tag)
        if (call) this.reply(ws, call.invite, 487, 'Request Terminated', [], '', call.tag)
        this.calls.delete(callId)
        return
      case 'BYE':
        this.calls.delete(callId)
        return this.reply(ws, message, 200, 'OK')
      case 'REFER': {
        this.reply(ws, message, 202, 'Accepted', [contact])
        this.refer = message
        return
      }
      case 'ACK': return
      default: return this.reply(ws, message, 200, 'OK')
    }
  }

  /** The far end of a call that rings there answers. */
  async pickUp(call) {
    const body = await this.media(call.invite.body)
    this.reply(call.ws, call.invite, 200, 'OK', ['Contact: <sip:toy@127.0.0.1;transport=ws>'], body, call.tag)
  }
  ringingThere() { return [...this.calls.values()].at(-1) }

  /** Somebody calls the page. */
  rings(number, name = null, offer = cannedSdp({ offering: true })) {
    const { ws, contact } = this.registered
    const callId = randomUUID()
    const from = `${name ? `"${name}" ` : ''}<sip:${number}@test.local>;tag=${tag()}`
    const call = { ws, callId, from, to: `<${contact}>`, contact, cseq: 1, branch: `z9hG4bK${tag()}`, toTag: null, incoming: true }
    this.calls.set(callId, call)
    this.send(call, 'INVITE', ['Content-Type: application/sdp', 'Contact: <sip:toy@127.0.0.1;transport=ws>'], offer)
    return call
  }
  send(call, method, more = [], body = '') {
    const lines = [
      `${method} ${call.contact} SIP/2.0`, `Via: SIP/2.0/WS toy.invalid;branch=${call.branch}`, 'Max-Forwards: 70', `From: ${call.from}`,
      `To: ${call.to}`, `Call-ID: ${call.callId}`, `CSeq: ${call.cseq} ${method}`, ...more, `Content-Length: ${Buffer.byteLength(body)}`, '', body,
    ]
    call.ws.send(lines.join(CRLF))
  }
  /** The caller gives up, or hangs up. */
  giveUp(call) { this.send(call, 'CANCEL') }
  hangUp(call) {
    call.cseq += 1
    call.branch = `z9hG4bK${tag()}`
    this.send(call, 'BYE')
  }

  answered(ws, response) {
    const status = Number(response.start.split(' ')[1])
    const call = this.calls.get(response.one('call-id'))
    if (!call?.incoming || !/INVITE/.test(response.one('cseq'))) return
    if (status >= 200) {
      call.status = status
      if (/;tag=/.test(response.one('to'))) call.to = response.one('to')
      const contact = response.one('contact')
      if (contact && status < 300) call.contact = /<([^>]+)>/.exec(contact)[1]
      if (status < 300) call.branch = `z9hG4bK${tag()}`
      this.send(call, 'ACK')
      if (status >= 300) this.calls.delete(call.callId)
    }
  }
}
