/** Whether packets go from tunnel to tunnel by XDP: where it can be had, or never. */
export type EbpfXdp = 'native' | 'off'
