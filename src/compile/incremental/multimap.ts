/** Maps from a key to a set of items, in which no empty set is kept. */

export type Multimap<K, T> = Map<K, Set<T>>

export function addTo<K, T>(map: Multimap<K, T>, key: K, item: T): void {
  const items = map.get(key)
  if (items === undefined) map.set(key, new Set([item]))
  else items.add(item)
}

export function removeFrom<K, T>(map: Multimap<K, T>, key: K, item: T): void {
  const items = map.get(key)
  if (items?.delete(item) === true && items.size === 0) map.delete(key)
}
