/** Who is left out where there are too many: those that bring the most, so that nobody can push out others cheaply. */
import { type NamespacedName, nameOf, type Pod } from './model.ts'

/**
 * Members whose sizes come to `most` together: those of the smallest size first, and of the same size by name.
 * @returns all of them where they are not too many
 */
export function fairShare<M extends { readonly pod: Pod }>(
  members: readonly M[],
  sizeOf: (member: M) => number,
  most: number,
): readonly M[] {
  const sized = members.map((member) => ({ member, name: nameOf(member.pod), size: sizeOf(member) }))
  if (sum(sized) <= most) return members
  sized.sort((a, b) => a.size - b.size || compareNames(a.name, b.name))
  let left = most
  const end = sized.findIndex(({ size }) => {
    left -= size
    return left < 0
  })
  return sized.slice(0, end).map(({ member }) => member)
}

function sum(sized: readonly { readonly size: number }[]): number {
  return sized.reduce((total, { size }) => total + size, 0)
}

function compareNames(a: NamespacedName, b: NamespacedName): number {
  return a < b ? -1 : a > b ? 1 : 0
}
