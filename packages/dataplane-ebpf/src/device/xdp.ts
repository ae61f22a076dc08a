/** Whether packets go from tunnel to tunnel by XDP: wherever it can be had, or never; left out (`undefined`), where labels are swapped and it does no harm. */
export type EbpfXdp = 'native' | 'off'
