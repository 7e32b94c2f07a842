/** Network namespaces for one test file, gone again after it. */
import { execa } from 'execa'
import { afterAll, beforeAll } from 'vitest'
import { type ListedTable, type Listing, parseListing, type Transaction } from '../../src/index.ts'
import { run } from '../../src/run.ts'

export type Scratch = {
  /** What `run` takes as `netns`. */
  readonly path: string
  /** nft within the netns; rejects when it fails. */
  readonly nft: (args: readonly string[], input?: string) => Promise<string>
  readonly list: () => Promise<Listing>
}

/** A netns of that name, made before the file's first test. */
export function scratchNetns(purpose: string): Scratch {
  const name = `njson-${purpose}-${process.pid}`
  const path = `/run/netns/${name}`
  const nft = async (args: readonly string[], input = ''): Promise<string> =>
    (await execa('nsenter', [`--net=${path}`, 'nft', ...args], { input })).stdout
  beforeAll(async () => {
    await execa('ip', ['netns', 'add', name])
  })
  afterAll(async () => {
    await execa('ip', ['netns', 'delete', name])
  })
  return { path, nft, list: async () => parseListing(await nft(['-j', 'list', 'ruleset'])) }
}

/** The table as the kernel lists it once the transaction is committed. Throws when nft refuses it. */
export async function committed(scratch: Scratch, transaction: Transaction): Promise<ListedTable> {
  const result = await run(transaction, { netns: scratch.path })
  if (result.kind !== 'done') throw new Error(`${result.kind}: ${result.reason}`)
  const [table] = (await scratch.list()).tables
  if (table === undefined) throw new Error('no table is listed')
  return table
}
