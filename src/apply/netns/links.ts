/** The interfaces of a network namespace as the kernel has them: what a pod's annotation is held against. */
import type { OpenNetns } from './open-netns.ts'

/** Name to MAC address, in lower case. */
export type Links = ReadonlyMap<string, string>

/** @throws where they cannot be read */
export async function readLinks(netns: OpenNetns, signal: AbortSignal): Promise<Links> {
  const { execa } = await import('execa')
  const args = [`--net=${netns.path}`, 'ip', '-json', 'link', 'show']
  const { stdout } = await execa('nsenter', args, {
    timeout: 10_000,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    stdin: 'ignore',
  })
  const links = parseShown(stdout) as readonly { readonly ifname: string; readonly address?: string }[]
  return new Map(links.map(({ ifname, address = '' }) => [ifname, address.toLowerCase()]))
}

/**
 * What `ip -json` prints. It writes the name of a link as it is, so a control character of a name has to be escaped
 * here; those that it prints itself, blanks and line feeds, cannot be in a name.
 * @throws SyntaxError
 */
export function parseShown(printed: string): unknown {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  const escaped = printed.replaceAll(/[\x01-\x08\x0e-\x1f]/g, (character) => {
    return `\\u00${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return JSON.parse(escaped)
}
