/**
 * The test's end of a transfer: whether data still flows, seen at the end that receives it, for what a revocation must
 * stop although it was established and for what must outlive every change.
 */
import { MS, now, until } from './clock.ts'
import type { Family, Pod } from './pod.ts'
import type { TransferKind, TransferSpec } from './protocol.ts'

/** Every pod that is asked to {@link entertain} has all of these. */
export const TRANSFER_PORTS: Readonly<Record<TransferKind, number>> = {
  'to server': 9,
  'to client': 19,
  echo: 7,
}

export interface TransferRequest {
  readonly from: Pod
  readonly to: Pod
  readonly segment: string
  readonly family: Family
  readonly protocol: TransferSpec['protocol']
  readonly kind: TransferKind
}

export class Transfer {
  readonly #id: number
  readonly #request: TransferRequest

  /** Made by {@link openTransfer} only. */
  constructor(id: number, request: TransferRequest) {
    this.#id = id
    this.#request = request
  }

  /** When data last came, in ns of the lab's clock; -Infinity: never. */
  async lastAt(): Promise<number> {
    const { from, to, segment, family, kind, protocol } = this.#request
    const { port, lastAt } = await (await from.agent()).ask('transferred', { transfer: this.#id })
    if (kind !== 'to server') return lastAt ?? Number.NEGATIVE_INFINITY
    const peer = { protocol, port, address: from.address(family, segment) }
    return (await (await to.agent()).ask('entertained', peer)).lastAt ?? Number.NEGATIVE_INFINITY
  }

  /** Waits for data that came after now. @throws with what became of the transfer */
  async flowing(timeoutMs = 5000): Promise<void> {
    const since = now()
    await until(
      `data flows on ${this.#describe()}`,
      timeoutMs,
      async () => (await this.lastAt()) > since || undefined,
    )
  }

  /** How long there has been no data, in ms. */
  async quietMs(): Promise<number> {
    return (now() - (await this.lastAt())) / MS
  }

  #describe(): string {
    const { from, to, family, protocol, kind } = this.#request
    return `${protocol} ${kind} v${family} from ${from.name} to ${to.name}`
  }
}

/** Opens the services of {@link TRANSFER_PORTS} over TCP and UDP; once a pod. */
export async function entertain(pod: Pod): Promise<void> {
  await (await pod.agent()).ask('entertain', { ports: TRANSFER_PORTS })
}

let transfers = 0

/** @returns when it is open and data flows. @throws when it cannot be opened, or none does */
export async function openTransfer(request: TransferRequest): Promise<Transfer> {
  const { from, to, segment, family, protocol, kind } = request
  const id = ++transfers
  const target = { to: to.address(family, segment), port: TRANSFER_PORTS[kind] }
  await (await from.agent()).ask('transfer', { transfer: id, protocol, kind, ...target })
  const transfer = new Transfer(id, request)
  await transfer.flowing()
  return transfer
}
