/** Where devices are made, to which orders, and what the line is told of them. */

/** A place on a factory floor from where devices are made: who speaks DI there is known by it. */
export interface StationTable {
  id: string
  party: string
  /** What people call it; once in a party. */
  name: string
  /** Addresses and ranges, separated by spaces; empty for any. */
  allow: string
  /** PEM: the CAs one of which must have issued the caller's certificate; empty for none needed. */
  client_cas: string
  /** SHA-256 of the enrolment secret, hex; null where none is asked for. */
  secret_hash: string | null
  created_at: string
}

/** So many devices, and what they leave the factory with. Nothing of it but its state changes. */
export interface ProductionOrderTable {
  id: string
  party: string
  /** What people call it; once in a party. */
  name: string
  /** The device info it is for; null for any. */
  model: string | null
  quantity: number
  /** Devices made: never more than `quantity`. */
  made: number
  /** A JSON document, as in the setting of that name. */
  rendezvous_info: string
  /** A JSON document: see manufacturing/orders/first-owner-rules.ts. */
  first_owner: string
  /** The ids of the stations where it is made, separated by spaces; empty for all of the party. */
  stations: string
  /** 1: no serial number twice. */
  unique_serials: number
  /** The text of a device's label, with placeholders. */
  label: string
  /** PEM: the CAs whose devices keep the certificate they come with. */
  device_cas: string
  /** A `closed` one is never opened again. */
  state: 'draft' | 'open' | 'closed'
  /** A JSON document: how the rendezvous info was tried. */
  trial: string | null
  created_at: string
  expires_at: string
  opened_at: string | null
  closed_at: string | null
}

/** A device made to an order. It counts once, however often it is made. */
export interface OrderDeviceTable {
  order_id: string
  device_id: string
  /** From 1, in the order they were first made. */
  number: number
  guid: string
  serial: string
  model: string
  made_at: string
}

/** A certificate that a device came with, told of before the device is made. */
export interface OrderCertificateTable {
  order_id: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  spki_hash: string
  /** PEM, the device's first. */
  chain: string
  created_at: string
}
