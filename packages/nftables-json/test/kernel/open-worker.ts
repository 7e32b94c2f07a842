/** A process that holds libnftables, for one test file, ended after it. */
import { afterAll } from 'vitest'
import { NftWorker } from '../../src/worker/index.ts'

export async function openWorker(): Promise<NftWorker> {
  const opened = await NftWorker.open()
  if (opened.kind !== 'opened') throw new Error(opened.reason)
  afterAll(async () => {
    await opened.nft[Symbol.asyncDispose]()
  })
  return opened.nft
}
