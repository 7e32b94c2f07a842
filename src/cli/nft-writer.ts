/** `--nft-writer`: by what nftables rules are written, a process of nft or libnftables in this one. */
import type { Logger } from 'pino'
import type { Backend } from '../apply/backend.ts'
import { nftablesBackendBy } from '../apply/nftables-backend.ts'
import { type FlagValues, NFT_WRITERS } from './flags.ts'

/** @returns the backend, which writes by the library if that was asked for and can be had */
export async function withNftWriter(
  backend: Backend<unknown>,
  flags: FlagValues,
  log: Logger,
  resources: AsyncDisposableStack,
): Promise<Backend<unknown>> {
  const writer = flags.oneOf('nft-writer', NFT_WRITERS, 'process')
  if (writer === 'process' || backend.name !== 'nftables') return backend
  const { openLibrary } = await import('../apply/nftables-library.ts')
  const instead = (reason: string): void =>
    log.warn({ reason }, `--nft-writer: libnftables cannot be used, nft is run instead: ${reason}`)
  const opened = await openLibrary(instead)
  if (opened.kind === 'opened') return nftablesBackendBy(resources.use(opened.library).run)
  instead(opened.reason)
  return backend
}
