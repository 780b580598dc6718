// A development world of its own for a test: the program as `hotseat dev` runs it, on free ports, in a folder that goes
// away with it.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Starts it and waits for its ready line. `say` types into its terminal: `call 2003` lets the trunk call. */
export async function startWorld(program = process.env.HOTSEAT ?? join(root, 'target/debug/hotseat')) {
  const data = mkdtempSync(join(tmpdir(), 'hotseat-dev-'))
  // Below the ports that the system hands out by itself; two worlds at once are far apart.
  const port = 10_000 + (process.pid % 40) * 500
  const child = spawn(program, ['dev', '--base-port', String(port), '--data', data], { stdio: ['pipe', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => { log = (log + text).slice(-200_000) })
  const ended = new Promise((done) => child.on('exit', done))
  const ready = await Promise.race([
    new Promise((done) => createInterface({ input: child.stdout }).once('line', (line) => done(JSON.parse(line)))),
    ended.then((code) => { throw new Error(`hotseat dev ended with ${code}:\n${log}`) }),
  ])
  const people = readFileSync(join(data, 'logins.txt'), 'utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  return {
    base: ready.https,
    agent: (typology) => people.find((p) => p.kind === 'agent' && p.typology === typology),
    person: (login) => people.find((p) => p.kind === 'agent' && p.login === login),
    say: (line) => child.stdin.write(`${line}\n`),
    log: () => log,
    async stop() {
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGTERM'), 500)
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(late)
      rmSync(data, { recursive: true, force: true })
    },
  }
}
