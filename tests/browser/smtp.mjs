// A mail server that takes every letter and keeps it, for tests that need a letter and nothing of its way (RFC 5321; what real
// servers demand is tried in the interop ring).

import { createServer } from 'node:net'

/** Soft line breaks and escaped bytes undone (RFC 2045 §6.7). */
function plainText(letter) {
  const unfolded = letter.replace(/=\r?\n/g, '')
  return Buffer.from(unfolded.replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString('utf8')
}

export async function startMail() {
  const letters = []
  const server = createServer((socket) => {
    let text = ''
    let to = []
    let letter = null
    const say = (line) => socket.write(`${line}\r\n`)
    say('220 test')
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (letter !== null) {
          if (line !== '.') {
            letter += `${line.replace(/^\./, '')}\r\n`
            continue
          }
          letters.push({ to, text: plainText(letter) })
          letter = null
          say('250 kept')
        } else if (/^(EHLO|HELO)/i.test(line)) say('250 test')
        else if (/^MAIL/i.test(line)) { to = []; say('250 ok') }
        else if (/^RCPT/i.test(line)) { to.push(/<([^>]+)>/.exec(line)?.[1]); say('250 ok') }
        else if (/^DATA/i.test(line)) { letter = ''; say('354 go on') }
        else if (/^QUIT/i.test(line)) { say('221 bye'); socket.end() }
        else say('250 ok')
      }
    })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { port: server.address().port, letters, close: () => server.close() }
}
