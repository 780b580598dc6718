// Which codec comes first. What the trunk speaks is put before Opus: then the gateway relays instead of transcoding.

export const COMMON_FIRST: readonly string[] = ['PCMU', 'PCMA', 'G722', 'opus']

interface Codec {
  mimeType: string
  clockRate: number
}

/**
 * The codecs of the browser in the order of `names`; the rest after them, telephone events last, as in any offer. `red`
 * (RFC 2198) doubles the packets and no phone behind us takes it: left out.
 */
export function inOrder<C extends Codec>(codecs: readonly C[], names: readonly string[]): C[] {
  const wanted = names.map((name) => name.toLowerCase())
  const rank = (codec: C) => {
    const name = codec.mimeType.replace(/^audio\//i, '').toLowerCase()
    if (name === 'telephone-event') return 1_000
    if (name === 'cn') return 900
    const found = wanted.indexOf(name)
    return found < 0 ? 500 : found
  }
  return codecs
    .filter((codec) => !/\/red$/i.test(codec.mimeType))
    .map((codec, i) => ({ codec, i }))
    .sort((a, b) => rank(a.codec) - rank(b.codec) || a.i - b.i)
    .map(({ codec }) => codec)
}

/** Tells a connection the order before it makes its offer; where the browser cannot be told, its own order stands. */
export function prefer(connection: RTCPeerConnection, names: readonly string[]): void {
  const known = RTCRtpReceiver.getCapabilities?.('audio')?.codecs
  if (!known) return
  for (const transceiver of connection.getTransceivers()) {
    if (transceiver.sender.track?.kind !== 'audio') continue
    try {
      transceiver.setCodecPreferences?.(inOrder(known, names))
    } catch {
      // A browser that refuses one entry refuses all; the call is worth more than the order.
    }
  }
}
