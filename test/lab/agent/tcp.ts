/** TCP client sockets of the agent. */
import { connect, isIP, type Socket } from 'node:net'

export interface TcpTarget {
  readonly to: string
  readonly port: number
  readonly source?: string | undefined
  readonly sourcePort?: number | undefined
}

/**
 * Begins to connect; `connect` or `error` says what came of it.
 * @throws when it is no address; so Node takes one with the zone of an oddly named interface
 */
export function openTcp({ to, port, source, sourcePort }: TcpTarget): Socket {
  if (isIP(to) === 0) throw new Error(`not an address to connect to: ${to}`)
  return connect({
    host: to,
    port,
    noDelay: true,
    ...(source !== undefined && { localAddress: source }),
    ...(sourcePort !== undefined && { localPort: sourcePort }),
  })
}
