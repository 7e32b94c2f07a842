/** Versions are numbers that grow (Kubernetes' API concepts, since 1.35 by contract); what is none tells nothing. */
export function isOlder(version: string, than: string): boolean {
  const number = /^[0-9]+$/
  return number.test(version) && number.test(than) && BigInt(version) < BigInt(than)
}
