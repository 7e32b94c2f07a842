/**
 * Connections from before the first rules. The kernel tracks connections in a namespace from the first rule on that asks
 * for them, and takes whoever speaks first then for the one who opened the connection. A server that was sending would be
 * taken for a client: cutting off its clients would not cut this one, and a pod's own connection could be taken for a
 * stranger's. The sockets know better: who has a listener on the port did not open the connection. So the kernel is told of
 * them (conntrack's entries, with their direction) right before the first rules.
 *
 *     ESTAB  0 0 10.1.0.2:80 10.1.0.3:40000   with a listener on port 80:
 *     -A -p tcp -s 10.1.0.3 -d 10.1.0.2 --sport 40000 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 600
 *
 * Sockets of UDP that are not connected tell nobody's address and cannot be told of.
 */
import { runByExeca } from 'nftables-json/run'
import { parseAddress } from '../compile/address.ts'
import { LISTING_BOUNDS } from './listing-bounds.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** More than a pod has; a limit on what is read and written for one. */
const MOST_CONNECTIONS = 50_000

/** Seconds that an entry waits for its first packet; conntrack's own times count from then on. */
const TIMEOUT_S = 600

/** @returns why it could not be done; connections are taken as the kernel sees them then */
export async function keepDirections(netns: OpenNetns, signal: AbortSignal): Promise<string | undefined> {
  const sockets = await runIn(netns, ['ss', '-H', '-t', '-u', '-a', '-n', '-O'], signal)
  if (sockets.kind === 'failed') return sockets.reason
  const entries = entriesOf(sockets.stdout)
  if (entries.length === 0) return undefined
  const loaded = await runIn(netns, ['conntrack', '--load-file', '-'], signal, entries.join('\n'))
  return loaded.kind === 'failed' ? loaded.reason : undefined
}

/** By a file as standard input: conntrack opens `/dev/stdin` anew, which no pipe of Node's lets it. */
async function runIn(
  netns: OpenNetns,
  command: readonly string[],
  signal: AbortSignal,
  input?: string,
): Promise<
  { readonly kind: 'ran'; readonly stdout: string } | { readonly kind: 'failed'; readonly reason: string }
> {
  const options = {
    timeoutMs: 10_000,
    signal,
    bounds: LISTING_BOUNDS,
    ...(input === undefined ? {} : { input }),
  }
  const ended = await runByExeca('nsenter', [`--net=${netns.path}`, ...command], options)
  if (ended.kind !== 'exited') return { kind: 'failed', reason: `${command[0]}: ${ended.reason}` }
  if (ended.code === 0) return { kind: 'ran', stdout: ended.stdout }
  return { kind: 'failed', reason: `${command[0]}: ${ended.stderr.trim() || `exit code ${ended.code}`}` }
}

interface Socket {
  readonly protocol: string
  readonly state: string
  readonly local: Endpoint
  readonly peer: Endpoint
}

interface Endpoint {
  /** Undefined for a wildcard, and for what is no address that conntrack could be told. */
  readonly address: string | undefined
  readonly port: string
}

/** @param sockets as `ss` prints them. @returns lines for `conntrack --load-file` */
export function entriesOf(sockets: string): readonly string[] {
  const all = sockets.split('\n').flatMap((line) => parseSocket(line) ?? [])
  const listening = new Set(all.filter(isListener).map(({ protocol, local }) => `${protocol} ${local.port}`))
  return all
    .filter((socket) => !isListener(socket))
    .slice(0, MOST_CONNECTIONS)
    .flatMap((socket) => entryOf(socket, listening.has(`${socket.protocol} ${socket.local.port}`)) ?? [])
}

function entryOf({ protocol, local, peer }: Socket, accepted: boolean): string | undefined {
  const [from, to] = accepted ? [peer, local] : [local, peer]
  if (from.address === undefined || to.address === undefined || from.address === to.address) return undefined
  const state = protocol === 'tcp' ? ' --state ESTABLISHED' : ''
  const ends = `-s ${from.address} -d ${to.address} --sport ${from.port} --dport ${to.port}`
  return `-A -p ${protocol} ${ends}${state} -u SEEN_REPLY,ASSURED -t ${TIMEOUT_S}`
}

function isListener({ state }: Socket): boolean {
  return state === 'LISTEN' || state === 'UNCONN'
}

/** States in which packets still come and go; a socket in TIME-WAIT has nothing to say. */
const OPEN = new Set(['LISTEN', 'UNCONN', 'ESTAB', 'CLOSE-WAIT', 'FIN-WAIT-1', 'FIN-WAIT-2'])

function parseSocket(line: string): Socket | undefined {
  const [protocol = '', state = '', , , local = '', peer = ''] = line.trim().split(/\s+/)
  if (!['tcp', 'udp'].includes(protocol) || !OPEN.has(state)) return undefined
  const [own, other] = [parseEndpoint(local), parseEndpoint(peer)]
  return own && other && { protocol, state, local: own, peer: other }
}

/** `10.1.0.2:80`, `[fd00::1]:80`, `[::ffff:10.1.0.2]:80`, `[fe80::1]%net1:80`, `10.1.0.2%net1:80`, `*:80`, `0.0.0.0:*`. */
function parseEndpoint(text: string): Endpoint | undefined {
  const [, address = '', port = ''] = /^(.*):([0-9]+|\*)$/.exec(text) ?? []
  if (port === '') return undefined
  const bare = address.replace(/%.*$/, '').replace(/^\[(?:::ffff:(?=[0-9.]+\]))?(.*)\]$/, '$1')
  return { address: parseAddress(bare), port }
}
