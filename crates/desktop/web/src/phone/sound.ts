// Microphone and loudspeakers: what there is, what is allowed, what is chosen, and what to do when something is missing.

export type MicState = 'checking' | 'allowed' | 'not_asked' | 'denied' | 'no_device' | 'muted' | 'busy' | 'insecure'
export type SoundState = 'allowed' | 'blocked' | 'no_device' | 'muted'

export interface Device {
  id: string
  label: string
}
export type Role = 'microphone' | 'speaker' | 'ringer'

export interface SoundView {
  microphone: MicState
  sound: SoundState
  microphones: readonly Device[]
  speakers: readonly Device[]
  /** Empty: whatever the computer uses. */
  chosen: Record<Role, string>
  /** A device that was chosen once and is not there now. */
  missing: Record<Role, string | null>
  /** 0…1, of voices; ringing has its own. */
  volume: number
  /** Whether the browser lets us choose where sound comes out. */
  canChooseSpeaker: boolean
}

/** Whether calls can be taken at all (SPEC F2). */
export function canSpeak(view: SoundView): boolean {
  return view.microphone === 'allowed' || view.microphone === 'muted'
}

export function micWords(state: MicState): { word: string; todo: string | null } {
  switch (state) {
    case 'checking': return { word: 'Checking…', todo: null }
    case 'allowed': return { word: 'Allowed', todo: null }
    case 'muted': return { word: 'Muted', todo: 'The computer or the headset has muted the microphone. Look for a mute button on the headset or a microphone key.' }
    case 'not_asked': return { word: 'Not asked', todo: 'The browser will ask whether Hotseat may use the microphone. Choose “Allow”, otherwise nobody can hear you.' }
    case 'denied': return { word: 'Blocked', todo: 'Click the sign left of the address, set Microphone to “Allow”. This page notices by itself.' }
    case 'no_device': return { word: 'None found', todo: 'Plug in a headset or a microphone. This page notices by itself.' }
    case 'busy': return { word: 'In use elsewhere', todo: 'Close the other program that uses the microphone, then check again.' }
    case 'insecure': return { word: 'Not possible here', todo: 'Browsers give the microphone to secure pages only. Open this page with https://.' }
  }
}

export function soundWords(state: SoundState): { word: string; todo: string | null } {
  switch (state) {
    case 'allowed': return { word: 'Allowed', todo: null }
    case 'blocked': return { word: 'Waiting for a click', todo: 'The browser plays no sound before you click somewhere on this page.' }
    case 'no_device': return { word: 'None found', todo: 'Plug in a headset or loudspeakers. This page notices by itself.' }
    case 'muted': return { word: 'Muted', todo: 'The volume is at zero. Move the slider to hear callers.' }
  }
}

const KEY = 'hotseat-sound'
/** Plugging in a headset makes several events. */
const SETTLE_MS = 250

interface Choice {
  id: string
  label: string
}
type Choices = Partial<Record<Role, Choice>> & { volume?: number }

export class Sound {
  view: SoundView = {
    microphone: 'checking', sound: 'allowed', microphones: [], speakers: [], chosen: { microphone: '', speaker: '', ringer: '' },
    missing: { microphone: null, speaker: null, ringer: null }, volume: 1,
    canChooseSpeaker: typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype,
  }
  private choices: Choices
  private listeners = new Set<() => void>()
  private context: AudioContext | null = null
  private permission: PermissionStatus | null = null
  private voices = new Map<string, HTMLAudioElement>()
  private settle: ReturnType<typeof setTimeout> | undefined
  private asked = 0

  constructor(private readonly storage: Storage = localStorage) {
    this.choices = readChoices(storage)
    this.view = { ...this.view, volume: this.choices.volume ?? 1 }
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  private set(more: Partial<SoundView>): void {
    this.view = { ...this.view, ...more }
    for (const listener of this.listeners) listener()
  }

  async start(): Promise<void> {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.set({ microphone: 'insecure' })
      return
    }
    navigator.mediaDevices.addEventListener('devicechange', this.changed)
    window.addEventListener('pointerdown', this.wake, true)
    window.addEventListener('keydown', this.wake, true)
    try {
      this.permission = await navigator.permissions.query({ name: 'microphone' as PermissionName })
      this.permission.addEventListener('change', this.changed)
    } catch {
      // Some browsers cannot be asked; then the first request tells.
    }
    await this.check()
  }

  stop(): void {
    clearTimeout(this.settle)
    navigator.mediaDevices?.removeEventListener('devicechange', this.changed)
    this.permission?.removeEventListener('change', this.changed)
    window.removeEventListener('pointerdown', this.wake, true)
    window.removeEventListener('keydown', this.wake, true)
    for (const id of [...this.voices.keys()]) this.play(id, null)
    void this.context?.close()
    this.context = null
  }

  private changed = () => {
    clearTimeout(this.settle)
    this.settle = setTimeout(() => void this.check(), SETTLE_MS)
  }

  /** A click or a key lets the browser play sound. */
  private wake = () => {
    if (this.context?.state === 'suspended') void this.context.resume().then(() => this.hear())
    for (const voice of this.voices.values()) if (voice.paused) void voice.play().catch(() => {})
  }

  /** The one audio clock of the page, for tones and meters. */
  audio(): AudioContext {
    if (!this.context) {
      this.context = new AudioContext()
      this.context.addEventListener('statechange', () => this.hear())
    }
    return this.context
  }

  private hear(): void {
    const { volume, speakers, microphone } = this.view
    const none = listsSpeakers() && speakers.length === 0 && microphone !== 'checking'
    const blocked = this.context !== null && this.context.state === 'suspended'
    this.set({ sound: none ? 'no_device' : blocked ? 'blocked' : volume === 0 ? 'muted' : 'allowed' })
  }

  /** Looks at everything anew: what is plugged in, what is allowed, whether the microphone opens. */
  async check(): Promise<void> {
    const mine = ++this.asked
    await this.list()
    const permission = this.permission?.state
    if (permission === 'prompt' || permission === 'denied') {
      if (mine === this.asked) this.set({ microphone: permission === 'denied' ? 'denied' : 'not_asked' })
    } else await this.tryOut(mine)
    this.audio()
    this.hear()
  }

  /** Asks the browser, which asks the person. Only after a click. */
  async allow(): Promise<void> {
    await this.tryOut(++this.asked)
    this.hear()
  }

  private async tryOut(mine: number): Promise<void> {
    let state: MicState
    try {
      const stream = await this.open()
      const track = stream.getAudioTracks()[0]
      state = track?.muted ? 'muted' : 'allowed'
      for (const each of stream.getTracks()) each.stop()
    } catch (error) {
      state = micStateOf(error, this.permission?.state ?? null)
    }
    if (mine !== this.asked) return
    // Names of devices are told only to pages that may listen.
    await this.list()
    if (mine === this.asked) this.set({ microphone: state })
  }

  /** The computer muted a live microphone, or gave it back. */
  noteMuted(muted: boolean): void {
    if (canSpeak(this.view)) this.set({ microphone: muted ? 'muted' : 'allowed' })
  }

  private async list(): Promise<void> {
    let all: MediaDeviceInfo[] = []
    try {
      all = await navigator.mediaDevices.enumerateDevices()
    } catch {
      // Nothing is listed then, and the defaults are used.
    }
    const of = (kind: MediaDeviceKind, word: string): Device[] =>
      all.filter((d) => d.kind === kind && d.deviceId !== 'default' && d.deviceId !== 'communications')
        .map((d, i) => ({ id: d.deviceId, label: d.label || `${word} ${i + 1}` }))
    const microphones = of('audioinput', 'Microphone')
    const speakers = of('audiooutput', 'Loudspeaker')
    const lists = { microphone: microphones, speaker: speakers, ringer: speakers }
    const chosen = { ...this.view.chosen }
    const missing = { ...this.view.missing }
    for (const role of ['microphone', 'speaker', 'ringer'] as const) {
      const choice = this.choices[role]
      // The id changes when site data is cleared; the name stays.
      const found = choice && (lists[role].find((d) => d.id === choice.id) ?? lists[role].find((d) => d.label === choice.label))
      chosen[role] = found?.id ?? ''
      missing[role] = choice && !found && lists[role].some((d) => d.id !== '') ? choice.label : null
    }
    this.set({ microphones, speakers, chosen, missing })
    for (const voice of this.voices.values()) this.direct(voice, 'speaker')
  }

  choose(role: Role, id: string): void {
    const list = role === 'microphone' ? this.view.microphones : this.view.speakers
    const device = list.find((d) => d.id === id)
    if (device) this.choices[role] = device
    else delete this.choices[role]
    this.keep()
    this.set({ chosen: { ...this.view.chosen, [role]: device?.id ?? '' }, missing: { ...this.view.missing, [role]: null } })
    if (role === 'speaker') for (const voice of this.voices.values()) this.direct(voice, 'speaker')
  }

  setVolume(volume: number): void {
    this.choices.volume = volume
    this.keep()
    this.set({ volume })
    for (const voice of this.voices.values()) voice.volume = volume
    this.hear()
  }

  private keep(): void {
    try {
      this.storage.setItem(KEY, JSON.stringify(this.choices))
    } catch {
      // Chosen for now, not for the next time.
    }
  }

  /** A live microphone; the caller stops it. */
  async open(): Promise<MediaStream> {
    const id = this.view.chosen.microphone
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: id ? { ...wanted, deviceId: { exact: id } } : wanted })
    } catch (error) {
      // The chosen one went: any other is better than silence.
      if (id && error instanceof DOMException && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError')) {
        return navigator.mediaDevices.getUserMedia({ audio: wanted })
      }
      throw error
    }
  }

  /** Lets a voice be heard until it is taken away with null. */
  play(id: string, stream: MediaStream | null): void {
    const before = this.voices.get(id)
    if (stream === null) {
      if (before) before.srcObject = null
      before?.pause()
      this.voices.delete(id)
      return
    }
    const voice = before ?? new Audio()
    voice.autoplay = true
    voice.volume = this.view.volume
    voice.srcObject = stream
    this.voices.set(id, voice)
    this.direct(voice, 'speaker')
    void voice.play().catch(() => {})
  }

  /** Sends an element's sound to the device of a role. */
  direct(element: HTMLMediaElement, role: 'speaker' | 'ringer'): void {
    if (!('setSinkId' in element)) return
    void element.setSinkId(this.view.chosen[role]).catch(() => {})
  }
}

/**
 * Whether a loudspeaker that is not listed is not there. Safari lists none, and Firefox only those a page was given by name
 * (Audio Output Devices §2); they have them all the same.
 */
export function listsSpeakers(): boolean {
  const canChoose = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype
  return canChoose && !('selectAudioOutput' in navigator.mediaDevices)
}

/** What a refusal of getUserMedia means (Media Capture and Streams §10.2). */
export function micStateOf(error: unknown, permission: PermissionState | null): MicState {
  const name = error instanceof Error || error instanceof DOMException ? error.name : ''
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      // Closed without an answer: the browser will ask again.
      return permission === 'prompt' && error instanceof Error && /dismiss/i.test(error.message) ? 'not_asked' : 'denied'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'no_device'
    case 'NotReadableError':
    case 'AbortError':
      return 'busy'
    default:
      return 'no_device'
  }
}

function readChoices(storage: Storage): Choices {
  try {
    const value: unknown = JSON.parse(storage.getItem(KEY) ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Choices) : {}
  } catch {
    return {}
  }
}

/** A level that can be read at any time, and costs nothing in between. */
export interface Meter {
  /** Root mean square, 0…1. */
  read(): number
  close(): void
}

export function meter(context: AudioContext, stream: MediaStream): Meter {
  const source = context.createMediaStreamSource(stream)
  const analyser = context.createAnalyser()
  analyser.fftSize = 1024
  source.connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  return {
    read() {
      analyser.getFloatTimeDomainData(samples)
      let sum = 0
      for (const s of samples) sum += s * s
      return Math.sqrt(sum / samples.length)
    },
    close() {
      source.disconnect()
    },
  }
}

/** A level as a person sees it: −60 dB is nothing, −6 dB is full. */
export function bar(rms: number): number {
  if (rms <= 0) return 0
  return Math.max(0, Math.min(1, (20 * Math.log10(rms) + 60) / 54))
}
