// Harness: the accelerator with its clock, and a host that does per-cycle work at simulator speed.
//
// It feeds the input stream from input.bin, with pauses; takes the output stream, with pauses, into answers.hex; and writes
// every spike word that the machine stores to trace.hex. It is the external weight memory as well: one burst at a time, of
// rows of external.bin, the first weight_latency cycles after the request, the others one a cycle, with pauses. The bench
// (cocotb) only says how many words may go in and how many are expected out, waits for `done`, and reads registers. All
// files lie in the working directory.
//
//   input.bin     32-bit words, big-endian, in the order of sending
//   external.bin  weight rows, big-endian
//   answers.hex   one line per output word: 8 hexadecimal digits
//   trace.hex     one line per stored word: layer, address, pos, neg, 8 hexadecimal digits each
//   layers.hex    one line per layer that begins to store: 8 hexadecimal digits
//
// `timescale` is given on the command line. Pauses come from a xorshift generator, so that a seed means the same in every
// simulator: in each cycle the host pauses the input (the output, the external memory) when a random byte is below
// input_pause (output_pause, weight_pause).

module harness #(
    parameter LAYER_BITS = 6,
    parameter ADDRESS_BITS = 13,
    parameter COLUMNS = 16,
    parameter WEIGHT_BITS = 8
) ();
    localparam ROW_BITS = COLUMNS * WEIGHT_BITS;
    localparam ROW_BYTES = ROW_BITS / 8;

    reg [31:0] seed /* verilator public_flat_rw */;
    reg [7:0] input_pause /* verilator public_flat_rw */;
    reg [7:0] output_pause /* verilator public_flat_rw */;
    reg [7:0] weight_pause /* verilator public_flat_rw */;
    reg [31:0] weight_latency /* verilator public_flat_rw */;
    reg [31:0] send_limit /* verilator public_flat_rw */;
    reg [31:0] receive_limit /* verilator public_flat_rw */;
    reg [31:0] patience /* verilator public_flat_rw */;
    reg [9:0] registers_address /* verilator public_flat_rw */;
    reg dump /* verilator public_flat_rw */;

    reg clk /* verilator public_flat_rd */;
    reg done /* verilator public_flat_rd */;
    reg stuck /* verilator public_flat_rd */;
    reg beyond /* verilator public_flat_rd */;
    reg [31:0] sent /* verilator public_flat_rd */;
    reg [31:0] received /* verilator public_flat_rd */;
    reg [31:0] traced /* verilator public_flat_rd */;
    reg [31:0] streamed /* verilator public_flat_rd */;
    reg [63:0] cycle /* verilator public_flat_rd */;
    wire [31:0] registers_data /* verilator public_flat_rd */;

    reg rst;
    reg [31:0] i_payload;
    reg i_valid;
    wire i_ready;
    wire [31:0] o_payload;
    wire o_valid;
    reg o_ready;
    wire [39:0] request_payload;
    wire request_valid;
    reg request_ready;
    reg [ROW_BITS-1:0] rows_payload;
    reg rows_valid;
    wire rows_ready;
    wire trace_valid;
    wire [LAYER_BITS-1:0] trace_layer;
    wire [ADDRESS_BITS-1:0] trace_address;
    wire [COLUMNS-1:0] trace_pos;
    wire [COLUMNS-1:0] trace_neg;

    accelerator dut (
        .clk(clk), .rst(rst),
        .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
        .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready),
        .weights_request__payload(request_payload), .weights_request__valid(request_valid),
        .weights_request__ready(request_ready),
        .weights_rows__payload(rows_payload), .weights_rows__valid(rows_valid), .weights_rows__ready(rows_ready),
        .registers__address(registers_address), .registers__data(registers_data),
        .trace__valid(trace_valid), .trace__layer(trace_layer), .trace__address(trace_address),
        .trace__pos(trace_pos), .trace__neg(trace_neg)
    );

    function [31:0] xorshift(input [31:0] x);
        reg [31:0] y;
        begin
            y = x ^ (x << 13);
            y = y ^ (y >> 17);
            xorshift = y ^ (y << 5);
        end
    endfunction

    integer input_file, external_file, answers_file, trace_file, layers_file, count;
    reg [31:0] word, random, fetched, waited, latency_left, last_layer;
    reg [ROW_BITS-1:0] row;
    reg [15:0] rows_left;
    wire [31:0] layer_word = {{(32 - LAYER_BITS){1'b0}}, trace_layer};
    wire [31:0] address_word = {{(32 - ADDRESS_BITS){1'b0}}, trace_address};
    wire [31:0] pos_word = {{(32 - COLUMNS){1'b0}}, trace_pos};
    wire [31:0] neg_word = {{(32 - COLUMNS){1'b0}}, trace_neg};

    initial begin
        {clk, done, stuck, beyond, dump, i_valid, o_ready, request_ready, rows_valid} = 0;
        {send_limit, receive_limit, sent, received, traced, streamed, fetched, waited, latency_left, rows_left} = 0;
        {cycle, registers_address, input_pause, output_pause, weight_pause, weight_latency, i_payload, rows_payload} = 0;
        last_layer = 32'hFFFFFFFF;
        seed = 1;
        random = 1;
        patience = 32'hFFFFFFFF;
        rst = 1;
        input_file = $fopen("input.bin", "rb");
        external_file = $fopen("external.bin", "rb");
        answers_file = $fopen("answers.hex", "w");
        trace_file = $fopen("trace.hex", "w");
        layers_file = $fopen("layers.hex", "w");
    end

    always #5 clk = !clk;

    wire sending = i_valid && i_ready;
    wire receiving = o_valid && o_ready;
    wire requesting = request_valid && request_ready;
    wire streaming = rows_valid && rows_ready;

    always @(posedge clk) begin
        cycle <= cycle + 1;
        rst <= cycle < 4;
        random <= cycle < 4 ? seed | 32'd1 : xorshift(random);

        if (!rst) begin
            if (sending) sent <= sent + 1;
            if (!i_valid || i_ready) begin
                if (fetched != send_limit && random[7:0] >= input_pause) begin
                    count = $fread(word, input_file);
                    i_payload <= word;
                    i_valid <= 1;
                    fetched <= fetched + 1;
                end else begin
                    i_valid <= 0;
                end
            end

            o_ready <= random[15:8] >= output_pause;
            if (receiving) begin
                received <= received + 1;
                last_layer <= 32'hFFFFFFFF;  // the next image begins with any layer
                $fwrite(answers_file, "%08h\n", o_payload);
            end

            request_ready <= !requesting && rows_left == 0 && random[23:16] >= weight_pause;
            if (requesting) begin
                count = $fseek(external_file, request_payload[23:0] * ROW_BYTES, 0);
                rows_left <= request_payload[39:24];
                latency_left <= weight_latency - 1;
            end else if (latency_left != 0) begin
                latency_left <= latency_left - 1;
            end
            if (streaming) streamed <= streamed + 1;
            if (!rows_valid || rows_ready) begin
                if (rows_left != 0 && latency_left == 0 && random[23:16] >= weight_pause) begin
                    count = $fread(row, external_file);
                    if (count != ROW_BYTES) beyond <= 1;
                    rows_payload <= row;
                    rows_valid <= 1;
                    rows_left <= rows_left - 1;
                end else begin
                    rows_valid <= 0;
                end
            end

            if (trace_valid) begin
                if (layer_word != last_layer) begin
                    $fwrite(layers_file, "%08h\n", layer_word);
                    $fflush(layers_file);
                end
                last_layer <= layer_word;
                traced <= traced + 1;
                $fwrite(trace_file, "%08h%08h%08h%08h\n", layer_word, address_word, pos_word, neg_word);
            end

            done <= sent == send_limit && received == receive_limit;
            if (done) begin
                $fflush(answers_file);
                $fflush(trace_file);
            end
            waited <= sending || receiving || streaming || trace_valid || done ? 0 : waited + 1;
            stuck <= waited >= patience;
        end
    end

    always @(posedge dump) begin
`ifdef VERILATOR
        $dumpfile("waves.vcd");
`else
        $dumpfile("waves.fst");
`endif
        $dumpvars(0, harness);
    end
endmodule
