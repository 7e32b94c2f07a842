/** `--nft-writer`: by what nftables rules are written, libnftables in a process that stays, or nft anew each time. */
import type { Logger } from 'pino'
import type { Backend } from '../apply/backend.ts'
import { nftablesBackendBy } from '../apply/nftables-backend.ts'
import { type FlagValues, NFT_WRITERS } from './flags.ts'

/** @returns the backend, which writes by the library where it can be had, unless that was not wished for */
export async function withNftWriter(
  backend: Backend<unknown>,
  flags: FlagValues,
  log: Logger,
  resources: AsyncDisposableStack,
): Promise<Backend<unknown>> {
  const writer = flags.oneOf('nft-writer', NFT_WRITERS, 'library')
  if (writer === 'process' || backend.name !== 'nftables') return backend
  const { openLibrary } = await import('../apply/nftables-library.ts')
  const library = openLibrary((reason) =>
    log.warn({ reason }, `libnftables failed, and nft is run instead: ${reason}`),
  )
  return nftablesBackendBy(resources.use(library).run)
}
