// A sound system of its own for a browser that wants one: what it plays can be recorded, and what its microphone hears is a
// file. PulseAudio without hardware, in a folder that goes away with it.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const RATE = 8000

/** Starts it. `env` is for whoever shall use it; `speak` puts a file into the microphone again and again. */
export async function startSound() {
  const folder = mkdtempSync(join(tmpdir(), 'hotseat-pulse-'))
  const socket = join(folder, 'native')
  const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, PULSE_RUNTIME_PATH: folder, PULSE_SERVER: `unix:${socket}` }
  const load = (...words) => ['--load', words.join(' ')]
  const daemon = spawn('pulseaudio', [
    '-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disable-shm=yes', '--realtime=no', '--high-priority=no',
    ...load('module-native-protocol-unix', 'auth-anonymous=1', `socket=${socket}`),
    ...load('module-null-sink', 'sink_name=ear', 'rate=48000', 'channels=1'),
    ...load('module-null-sink', 'sink_name=mouth', 'rate=48000', 'channels=1'),
    // Browsers leave out what is only the echo of a loudspeaker; so it is called a microphone.
    ...load('module-remap-source', 'master=mouth.monitor', 'source_name=microphone'),
  ], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  daemon.stderr.on('data', (text) => { log += text })
  const children = [daemon]
  // Also where a test gives up in the middle.
  process.once('SIGTERM', () => process.exit(143))
  process.once('exit', () => { for (const child of children) child.kill('SIGKILL') })
  const end = Date.now() + 10_000
  for (;;) {
    if (daemon.exitCode !== null || Date.now() > end) throw new Error(`pulseaudio does not start:\n${log}`)
    if (existsSync(socket)) {
      try {
        execFileSync('pactl', ['set-default-sink', 'ear'], { env, stdio: 'ignore' })
        execFileSync('pactl', ['set-default-source', 'microphone'], { env, stdio: 'ignore' })
        break
      } catch { /* Its parts come one after the other. */ }
    }
    await new Promise((done) => setTimeout(done, 100))
  }
  const start = (program, words) => {
    const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    return child
  }
  return {
    env,
    speak: (file) => void start('paplay', ['--device=mouth', file]),
    /** What is played to whoever sits there, as 16-bit samples at 8 kHz. */
    async record(ms) {
      const parec = start('parec', ['--device=ear.monitor', `--rate=${RATE}`, '--channels=1', '--format=s16le', '--raw', '--latency-msec=50'])
      const parts = []
      parec.stdout.on('data', (part) => parts.push(part))
      const ended = new Promise((done) => parec.on('exit', done))
      await new Promise((done) => setTimeout(done, ms))
      parec.kill('SIGTERM')
      await ended
      const all = Buffer.concat(parts)
      return all.subarray(0, all.length & ~1)
    },
    async stop() {
      for (const child of children.reverse()) if (child.exitCode === null) child.kill('SIGTERM')
      await new Promise((done) => (daemon.exitCode === null ? daemon.on('exit', done) : done()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
