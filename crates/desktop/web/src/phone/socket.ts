// The WebSocket that SIP runs over (RFC 7118), as the SIP library wants it. Our own because the library's cannot be
// told to look again at once, and believes in a dead connection for minutes.

export interface SipSocket {
  readonly url: string
  readonly sip_uri: string
  via_transport: string
  connect(): void
  disconnect(): void
  send(message: string): boolean
  isConnected(): boolean
  isConnecting(): boolean
  onconnect: () => void
  ondisconnect: (error: boolean, code?: number, reason?: string) => void
  ondata: (data: unknown) => void
}

export interface DroppableSocket extends SipSocket {
  /** Treats the connection as dead although nobody said so. */
  drop(): void
}

export function sipSocket(url: string): DroppableSocket {
  let ws: WebSocket | null = null
  const { hostname, port, protocol } = new URL(url)
  const over = (code: number, reason: string) => {
    ws = null
    socket.ondisconnect(true, code, reason)
  }
  const socket: DroppableSocket = {
    url,
    sip_uri: `sip:${hostname}${port ? `:${port}` : ''};transport=ws`,
    // RFC 7118 §5: the Via says WSS over TLS.
    via_transport: protocol === 'wss:' ? 'WSS' : 'WS',
    onconnect: () => {},
    ondisconnect: () => {},
    ondata: () => {},
    connect() {
      if (ws) return
      let mine: WebSocket
      try {
        mine = new WebSocket(url, 'sip')
      } catch (error) {
        socket.ondisconnect(true, 0, String(error))
        return
      }
      ws = mine
      mine.binaryType = 'arraybuffer'
      mine.onopen = () => { if (ws === mine) socket.onconnect() }
      mine.onmessage = (message) => { if (ws === mine) socket.ondata(message.data) }
      mine.onclose = (event) => { if (ws === mine) over(event.code, event.reason) }
    },
    disconnect() {
      const open = ws
      ws = null
      open?.close()
    },
    drop() {
      const open = ws
      if (!open) return
      open.close()
      over(4000, 'no answer')
    },
    send(message) {
      if (ws?.readyState !== WebSocket.OPEN) return false
      ws.send(message)
      return true
    },
    isConnected: () => ws?.readyState === WebSocket.OPEN,
    isConnecting: () => ws?.readyState === WebSocket.CONNECTING,
  }
  return socket
}
