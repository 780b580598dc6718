// A Hotseat of its own for a test, as `hotseat serve` runs it: a configuration folder made of the one in the tree with what the
// test wants different, agents added by the command line, free ports, a data folder that goes away with it.

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Held together until all are known, so that they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done))))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

/** Sets `key = value` in a section of a TOML text (the first section is ''), in place of the line that is there. */
export function withSetting(text, section, key, value) {
  const lines = text.split('\n')
  const head = section === '' ? -1 : lines.findIndex((line) => line.trim() === `[${section}]`)
  if (section !== '' && head < 0) return `${text.trimEnd()}\n\n[${section}]\n${key} = ${value}\n`
  let end = lines.findIndex((line, i) => i > head && /^\[/.test(line))
  if (end < 0) end = lines.length
  const at = lines.findIndex((line, i) => i > head && i < end && new RegExp(`^#?\\s*${key}\\s*=`).test(line))
  if (at >= 0) lines[at] = `${key} = ${value}`
  else lines.splice(head + 1, 0, `${key} = ${value}`)
  return lines.join('\n')
}

/** `security`: settings as {section: {key: value}}, values as TOML. `agents`: arguments of `hotseat agents add`, each with a password. */
export async function serveWorld({ security = {}, agents = [] } = {}, program = process.env.HOTSEAT ?? join(root, 'target/debug/hotseat')) {
  const folder = mkdtempSync(join(tmpdir(), 'hotseat-served-'))
  const config = join(folder, 'config')
  const data = join(folder, 'data')
  cpSync(join(root, 'sip-config'), config, { recursive: true })
  const edit = (name, change) => writeFileSync(join(config, name), change(readFileSync(join(config, name), 'utf8')))
  const [https, http, sip, tls] = await freePorts(4)
  // Below what the system hands out by itself.
  const rtp = 30_100 + (process.pid % 13) * 200
  // A name, because passkeys belong to names.
  const base = `https://localhost:${https}`
  edit('gateway.toml', (text) => {
    const settings = [
      ['', 'public_url', `"${base}"`], ['', 'data_dir', `"${data}"`], ['', 'drain_s', '0'], ['listen', 'sip_udp', `["127.0.0.1:${sip}"]`],
      ['listen', 'sip_tcp', `["127.0.0.1:${sip}"]`], ['listen', 'sip_tls', `["127.0.0.1:${tls}"]`], ['listen', 'https', `"127.0.0.1:${https}"`],
      ['listen', 'http', `"127.0.0.1:${http}"`], ['rtp', 'port_first', `${rtp}`], ['rtp', 'port_last', `${rtp + 199}`],
    ]
    return settings.reduce((all, [section, key, value]) => withSetting(all, section, key, value), text)
  })
  const secure = (settings) => edit('security.toml', (text) => {
    for (const [section, values] of Object.entries(settings)) {
      for (const [key, value] of Object.entries(values)) text = withSetting(text, section, key, value)
    }
    return text
  })
  // No trunk of the tree is there.
  writeFileSync(join(config, 'trunks.toml'), '')
  writeFileSync(join(config, 'dialplan.toml'), '')
  secure({ limits: { logins_per_minute: '10000' }, ...security })
  const run = (args, input) => execFileSync(program, ['--config', config, ...args], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  for (const { args, password } of agents) run(['agents', 'add', ...args, '--password-stdin'], `${password}\n`)
  const child = spawn(program, ['--config', config, 'serve'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => { log = (log + text).slice(-200_000) })
  const ended = new Promise((done) => child.on('exit', done))
  const ready = await Promise.race([
    new Promise((done) => createInterface({ input: child.stdout }).once('line', (line) => done(JSON.parse(line)))),
    ended.then((code) => { throw new Error(`hotseat serve ended with ${code}:\n${log}`) }),
  ])
  return {
    base, http: ready.http ?? `http://127.0.0.1:${http}`, run, log: () => log,
    /** A whole file of the folder, taken over without a restart. */
    configure(name, text) {
      writeFileSync(join(config, name), text)
      run(['reload'])
    },
    /** Other settings, taken over without a restart. */
    reload(settings) {
      secure(settings)
      run(['reload'])
    },
    async stop() {
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGTERM'), 500)
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(late)
      if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
    },
  }
}
