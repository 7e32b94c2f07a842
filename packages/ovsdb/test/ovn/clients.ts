/** Clients of the tests' servers, and the waiting for what they see. */
import { onTestFinished } from 'vitest'
import { type ClientOptions, type ClientState, OVN_NORTHBOUND, OvsdbClient } from '../../src/index.ts'

export type NorthboundClient = OvsdbClient<typeof OVN_NORTHBOUND>

/** A client that retries quickly, and that ends with the test. */
export function northbound(
  endpoints: string,
  options: Partial<ClientOptions<typeof OVN_NORTHBOUND>> = {},
): { readonly client: NorthboundClient; readonly states: readonly ClientState[] } {
  const states: ClientState[] = []
  const client = new OvsdbClient({
    endpoints,
    description: OVN_NORTHBOUND,
    backoff: { firstMs: 20, mostMs: 100 },
    onState: (state) => states.push(state),
    ...options,
  })
  onTestFinished(() => client[Symbol.asyncDispose]())
  return { client, states }
}

/** Reads until an event is as wanted, which it returns. Fails when the events end before. */
export async function next<E, W extends E>(
  events: AsyncIterator<E>,
  wanted: (event: E) => event is W,
): Promise<W>
export async function next<E>(events: AsyncIterator<E>, wanted: (event: E) => boolean): Promise<E>
export async function next<E>(events: AsyncIterator<E>, wanted: (event: E) => boolean): Promise<E> {
  while (true) {
    const result = await events.next()
    if (result.done === true) throw new Error('no more events')
    if (wanted(result.value)) return result.value
  }
}
